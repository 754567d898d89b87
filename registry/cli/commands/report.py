"""``report`` and ``board``: runs as one HTML page, and in TensorBoard."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import click

from ...errors import Hw1Error, InputError
from .. import completion
from ..options import FORCE, JSON, PATH, print_json

#: TensorBoard is reached from this machine alone.
_HOST: Final = "127.0.0.1"
#: Seconds between two searches for new runs.
_EVERY: Final = 5.0
#: How deep below a folder a run is at most: runs/RECIPE/study/RUN.
_DEEPEST: Final = 4


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=PATH, shell_complete=completion.run_folders)
@click.option(
    "--out", type=PATH, metavar="HTML", help="The file to write (default: report.html in the folder named first)."
)
@click.option("--pdf", is_flag=True, help="Print it into a PDF beside it, too, with an installed Chromium or Chrome.")
@FORCE
@JSON
def report(runs: tuple[Path, ...], out: Path | None, pdf: bool, force: bool, as_json: bool) -> None:
    """Write one HTML page about runs: verdict, curves, tables, maps, masks, calibration, recipe and environment.

    RUN is a run folder, or a folder that contains some, such as a study, or a sweep. The file holds everything that it
    shows and opens in any browser, without a network. `hw1cli evaluate RUN` before adds the scores of each image.

    \b
    Examples:
      hw1cli report runs/cls_resnet18/2026-01-31_12-00-00
      hw1cli report runs/ssl_settings/study --out settings.html
      hw1cli report runs/hw1/study --pdf
    """
    from ...report.pdf import browser, print_page

    if pdf:
        browser()  # before the page is written
    written = [write_report(runs, out, force)]
    if pdf:
        written.append(written[0].with_suffix(".pdf"))
        print_page(*written)
    path = written[0]
    if as_json:
        print_json({"file": path, "bytes": path.stat().st_size, **({"pdf": written[1]} if pdf else {})})
    for each in written if not as_json else ():
        click.echo(f"written to {each} ({each.stat().st_size / 1e6:.1f} MB)")


def write_report(paths: tuple[Path, ...], out: Path | None = None, force: bool = False) -> Path:
    """Write the page of the runs in folders.

    Args:
        paths: run folders, or folders that contain some.
        out: the file; ``report.html`` in the first folder where it is None, which an earlier report there gives way to.
        force: overwrite ``out``.

    Returns:
        The file.

    Raises:
        InputError: a run that is not finished, or a file that cannot be written.
    """
    from ... import files
    from ...report.page import render
    from ...report.sweeps import shown_runs
    from ...results.runs import find_runs, read, read_object

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError.of(str(out), "is not an HTML file", f"name it {out.with_suffix('.html').name}")
    if out is not None and out.exists() and not force:
        raise InputError.of(str(out), "already exists", "name another --out, or overwrite with --force")
    sweep = read_object(paths[0] / "sweep.json") if (paths[0] / "sweep.json").is_file() else None
    found = shown_runs(sweep, paths[0]) if sweep is not None else find_runs(paths[0])
    folders = list(dict.fromkeys([*found, *(folder for path in paths[1:] for folder in find_runs(path))]))
    path = out or paths[0] / "report.html"
    if not path.parent.is_dir():
        raise InputError.of(str(path.parent), "is not a directory")
    page = paths[0] / "page.json"
    described = read_object(page)["sections"] if page.is_file() else ()
    text = render([read(folder) for folder in folders], described, sweep)
    try:
        files.write_text(path, text)
    except OSError as error:
        raise InputError.of(str(path), f"cannot be written: {error.strerror}", "name another --out") from error
    return path


# --- TensorBoard --------------------------------------------------------------------------------


@click.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1, type=PATH, shell_complete=completion.run_folders)
@click.option("--port", type=click.IntRange(1, 65535), help="The port (default: the first free one from 6006 on).")
def board(runs: tuple[Path, ...], port: int | None) -> None:
    """Show runs in TensorBoard until Ctrl-C, on this machine alone, and print its address.

    RUN is a run folder, or a folder that contains some (default: runs). Runs that start later appear, too.

    \b
    Examples:
      hw1cli board
      hw1cli board runs/seg_camvid runs/mine --port 7007
    """
    folders = runs or (Path("runs"),)
    for folder in folders:
        if not folder.is_dir():
            raise InputError.of(str(folder), "is not a directory", "runs are in runs/RECIPE/DATE")
    chosen = port or next(number for number in count(6006) if not _answers(number))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with the command, however it ends
    with tempfile.TemporaryDirectory() as shown, tempfile.TemporaryFile() as log:
        if not _link(folders, Path(shown)):
            click.echo("no run with TensorBoard events yet", err=True)
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", shown, "--host", _HOST, "--port", str(chosen)]
        server = subprocess.Popen([*command, "--reload_interval", "5"], stdout=log, stderr=log)
        try:
            _wait(server, folders, Path(shown), chosen)
            log.seek(0)
            raise Hw1Error(f"TensorBoard ended: {log.read().decode(errors='replace').strip()[-500:]}")
        except KeyboardInterrupt:
            pass
        finally:
            server.terminate()
            server.wait()


def _wait(server: subprocess.Popen[bytes], folders: Iterable[Path], shown: Path, port: int) -> None:
    """Print the address once it answers, and link new runs, until the server ends."""
    announced = False
    while server.poll() is None:
        if not announced and _answers(port):
            click.echo(f"TensorBoard: http://{_HOST}:{port}/  (Ctrl-C ends it)")
            announced = True
        with suppress(subprocess.TimeoutExpired):
            server.wait(_EVERY if announced else 0.2)
        _link(folders, shown)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


def _link(folders: Iterable[Path], shown: Path) -> int:
    """Link the events of every run under RECIPE/DATE, which TensorBoard shows as its name; how many runs there are."""
    number = 0
    for folder in (each.resolve() for each in folders):
        for events in (found for depth in range(_DEEPEST + 1) for found in folder.glob("*/" * depth + "tensorboard")):
            run, number = events.parent, number + 1
            below = run.relative_to(folder).parts
            name = shown / Path(*(below if len(below) > 1 else run.parts[-2:]))
            if not name.exists():
                name.parent.mkdir(parents=True, exist_ok=True)
                name.symlink_to(events, target_is_directory=True)
    return number
