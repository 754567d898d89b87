"""``report``: runs as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from .. import completion
from ..options import FORCE, JSON, PATH, print_json


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

    RUN is a run folder, or a folder that contains some, such as a study. The file holds everything that it shows and
    opens in any browser, without a network. `hw1cli evaluate RUN` before adds the scores of each image.

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
    from ...errors import InputError
    from ...report.page import render
    from ...results.runs import find_runs, read, read_object

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError.of(str(out), "is not an HTML file", f"name it {out.with_suffix('.html').name}")
    if out is not None and out.exists() and not force:
        raise InputError.of(str(out), "already exists", "name another --out, or overwrite with --force")
    folders = list(dict.fromkeys(folder for path in paths for folder in find_runs(path)))
    path = out or paths[0] / "report.html"
    if not path.parent.is_dir():
        raise InputError.of(str(path.parent), "is not a directory")
    page = paths[0] / "page.json"
    described = read_object(page)["sections"] if page.is_file() else ()
    text = render([read(folder) for folder in folders], described)
    try:
        files.write_text(path, text)
    except OSError as error:
        raise InputError.of(str(path), f"cannot be written: {error.strerror}", "name another --out") from error
    return path
