"""Runs that are stopped at random moments until they end, compared with uninterrupted twins.

``python scripts/soak.py --rounds 30 --seed 0 --keep DIR`` takes turns over classification, segmentation and BYOL with 0
and 2 loader processes. In each round a run is started, and one to three times stopped by a random signal, SIGKILL among
them, at a random moment of its life, its preparation included, and resumed; in the end it is left alone. Its weights,
optimizer and scores have to be those of a run that was never stopped, bit for bit (on a CPU). Exit code 1 where
anything differs, a signal is not answered, or a process is left behind. ``rounds.json`` in the folder keeps what is
done: the same command goes on with it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from registry.engine.records import checkpoints  # noqa: E402

COMMAND = [sys.executable, str(ROOT / "hw1cli.py")]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP, signal.SIGUSR1)
DECK = (*SIGNALS, signal.SIGKILL)
#: Columns of ``metrics.jsonl`` that hold times.
TIMES = {"seconds", "images_per_second"}
RUNTIME = "runtime: {device: cpu, precision: fp32, memory_format: contiguous, workers: 0}\n"
FLIPS = "augment: {train: [albumentations/HorizontalFlip, albumentations/RandomBrightnessContrast]}\n"
NETWORK = "{use: resnet18, width: 8}"
RECIPES = {
    "classification": "trainer: {use: classification, epochs: 5, batch_size: 16, ema: 0.9, mixup: 0.2}\n"
    f"data: {{use: labelled_names, root: digits}}\nmodel: {{use: classifier, backbone: {NETWORK}, dropout: 0.1}}\n"
    f"schedule: {{use: cosine, warmup: 0.1}}\n{FLIPS}",
    "segmentation": "trainer: {use: segmentation, epochs: 5, batch_size: 4, accumulate: 2}\n"
    f"data: {{use: landcover, root: scenes}}\nmodel: {{use: smp/unet, backbone: {NETWORK}}}\nloss: focal\n{FLIPS}",
    "byol": "trainer: {use: byol, epochs: 4, batch_size: 32, evaluate_every: 2, hidden_dim: 64}\n"
    f"data: {{use: labelled_names, root: digits}}\nbackbone: {NETWORK}\nviews: [mild_view, mild_view]\n",
}
CASES = [(task, workers) for task in RECIPES for workers in (0, 2)]


@dataclass(frozen=True)
class Stop:
    """A signal to come, at a share of a run's life: to its whole group, as Ctrl-C sends it, or to the first process."""

    signal: signal.Signals
    to_group: bool
    share: float


@dataclass
class Round:
    """What happened to one run.

    Attributes:
        task, workers: what was trained.
        stops: each signal that met a living run, with the seconds after which it was sent, and the exit code that
            followed.
        restarts: how often the run was stopped before its first checkpoint, so that it had to begin again.
        findings: what should not have happened; empty for a good round.
    """

    task: str
    workers: int
    stops: list[str] = field(default_factory=list)
    restarts: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep all runs in this folder, and go on with the rounds in it")
    options = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # runs would ignore it too where this script is under nohup
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        make_data(folder)
        record = folder / "rounds.json"
        done = json.loads(record.read_text()) if record.exists() else {"seed": options.seed, "twins": {}, "rounds": []}
        if done["seed"] != options.seed:
            sys.exit(f"{record} is of seed {done['seed']}")
        rounds, twins = [Round(**each) for each in done["rounds"]], done["twins"]
        for number, stops in enumerate(drawn(options.rounds, random.Random(options.seed))):
            if number < len(rounds):
                continue
            task, workers = CASES[number % len(CASES)]
            if task not in twins:
                twins[task] = train_twin(folder, task)
            rounds.append(soak(folder, task, workers, folder / f"run-{number}", twins[task], stops))
            record.write_text(json.dumps({"seed": options.seed, "twins": twins, "rounds": [*map(asdict, rounds)]}))
            shown = ", ".join(rounds[-1].stops) or "no stop"
            console.print(f"{number + 1}/{options.rounds} {task}, workers {workers}: {shown}")
            for finding in rounds[-1].findings:
                console.print(f"   {finding}", style="red", markup=False)
    show(rounds, console)
    return 1 if any(each.findings for each in rounds) else 0


def drawn(rounds: int, generator: random.Random) -> Iterator[list[Stop]]:
    """The stops of each round: a SIGKILL, and up to two signals of a deck that holds each of them."""
    deck: list[signal.Signals] = []
    for _ in range(rounds):
        signals = [signal.SIGKILL]
        for _ in range(generator.randint(0, 2)):
            deck = deck or generator.sample(DECK, len(DECK))
            signals.append(deck.pop())
        generator.shuffle(signals)
        yield [Stop(each, generator.random() < 0.5, generator.uniform(0.01, 0.8)) for each in signals]


def make_data(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "digits": ["digits", "--set", "digits=[0,1]"],
        "scenes": ["landcover", "--set", "train=16", "--set", "size=64"],
    }
    for name, words in made.items():
        if not (folder / name).exists():
            subprocess.run([*COMMAND, "data", "make", *words, "--out", folder / name], check=True, capture_output=True)
    for task, text in RECIPES.items():
        (folder / f"{task}.yaml").write_text(text + RUNTIME)


def command(folder: Path, task: str, out: Path, workers: int) -> list[str]:
    root = folder / ("scenes" if task == "segmentation" else "digits")
    sets = [f"data.root={root}", f"runtime.workers={workers}"]
    return [*COMMAND, "run", f"{folder / task}.yaml", "--out", str(out), *(word for s in sets for word in ("--set", s))]


def train_twin(folder: Path, task: str) -> float:
    """Train a run that is never stopped; the seconds that it takes."""
    started, out = time.monotonic(), folder / f"{task}-twin"
    shutil.rmtree(out, ignore_errors=True)
    ended = subprocess.run(command(folder, task, out, 0), capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the twin of {task} fails:\n{ended.stderr}")
    return time.monotonic() - started


def soak(folder: Path, task: str, workers: int, out: Path, usual: float, stops: list[Stop]) -> Round:
    """Stop a run, then let it end; ``usual`` is how long it takes undisturbed."""
    result, started = Round(task, workers), time.monotonic()
    shutil.rmtree(out, ignore_errors=True)  # of a soak that was stopped
    for stop in [*stops, None]:
        words = command(folder, task, out, workers)
        if out.exists() and any(out.iterdir()):
            words.append("--resume")
            result.restarts += not checkpoints_in(out)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
        if stop is not None:
            send(process, stop, stop.share * usual, result)
        else:
            _, errors = process.communicate()
            if process.returncode:
                result.findings.append(f"ends with exit code {process.returncode}: {errors.strip()[-600:]}")
        left_behind(process, result)
        if process.returncode not in (75, *(-number for number in SIGNALS)):
            break
    if not result.findings:
        result.findings += differences(folder / f"{task}-twin", out)
    result.seconds = round(time.monotonic() - started, 1)
    return result


def checkpoints_in(out: Path) -> bool:
    return any((out / "checkpoints" / name).is_file() for name in (checkpoints.LAST, checkpoints.PREVIOUS))


def send(process: subprocess.Popen[str], stop: Stop, after: float, result: Round) -> None:
    """Send a signal to a run after some seconds, and judge the answer."""
    number = stop.signal
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    ended = process.returncode is not None
    if not ended:
        os.killpg(process.pid, number) if stop.to_group else process.send_signal(number)
    try:
        shown, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result.findings.append(f"{number.name} after {after:.1f} s is not answered within 60 s")
        return
    code = process.returncode
    what = f"{number.name}{' to the group' if stop.to_group else ''} at {after:.1f} s: {code}"
    if code:  # else it had just ended
        result.stops.append(what)
    silent = code == -number and not shown and not errors  # Python itself was still starting: nothing was done
    if code not in (0, 75) and not silent and not (number == signal.SIGKILL and code == -number):
        result.findings.append(f"{what}: {errors.strip()[-600:]}")
    if (code == 75 and "stopped" not in errors) or "Traceback" in errors:
        result.findings.append(f"{what}, with the message {errors.strip()[-600:]!r}")


def left_behind(process: subprocess.Popen[str], result: Round) -> None:
    """Processes of the run that outlive it by more than 5 seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    result.findings.append("loader processes are left behind")
    os.killpg(process.pid, signal.SIGKILL)


def differences(twin: Path, run: Path) -> Iterator[str]:
    """In what a run's last checkpoint and scores differ from those of its twin; times left out."""
    one, other = (checkpoints.load(folder / "checkpoints" / "last.pt") for folder in (twin, run))
    for part in ("task", "optimizer", "average", "base_rates"):
        if unequal := [
            path for path, value in flat(one.get(part)) if not equal(value, dict(flat(other.get(part))).get(path))
        ]:
            yield f"{part} differs from the twin's in {len(unequal)} values, such as {unequal[0]}"
    rows = [[json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()] for each in (twin, run)]
    without = [[{key: value for key, value in row.items() if key not in TIMES} for row in each] for each in rows]
    if without[0] != without[1]:
        first = next((i for i, (a, b) in enumerate(zip(*without, strict=False)) if a != b), min(map(len, without)))
        yield f"metrics differ from the twin's in row {first + 1} of {len(without[0])} and {len(without[1])}"
    if partial := list(run.rglob("*.partial")):
        yield f"unfinished files are left: {', '.join(path.name for path in partial)}"


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from flat(item, f"{path}.{index}")
    else:
        yield path, value


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    return bool(one == other) or (isinstance(one, float) and isinstance(other, float) and math.isnan(one + other))


def show(rounds: list[Round], console: Console) -> None:
    table = Table("task", "workers", "rounds", "stops", "begun again", "seconds", "exact", box=None)
    for task, workers in CASES:
        own = [each for each in rounds if (each.task, each.workers) == (task, workers)]
        exact = f"{sum(not each.findings for each in own)} of {len(own)}"
        sums = (
            sum(len(each.stops) for each in own),
            sum(each.restarts for each in own),
            sum(each.seconds for each in own),
        )
        table.add_row(task, str(workers), str(len(own)), str(sums[0]), str(sums[1]), f"{sums[2]:.0f}", exact)
    console.print(table)
    stops = [stop for each in rounds for stop in each.stops]
    counts = [f"{sum(stop.startswith(number.name) for stop in stops)} {number.name}" for number in SIGNALS]
    exact = sum(not each.findings for each in rounds)
    console.print(f"{len(stops)} stops: {', '.join(counts)}", style="bold")
    console.print(f"{exact} of {len(rounds)} runs equal to their twins bit for bit", style="bold")


if __name__ == "__main__":
    sys.exit(main())
