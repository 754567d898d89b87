"""Runs that are stopped at random moments until they end, compared with uninterrupted twins.

``python scripts/soak.py --rounds 30 --seed 0`` takes turns over classification, segmentation and BYOL with 0 and 2
loader processes. In each round a run is started, and again and again stopped by a random signal at a random moment of
its life, its preparation included, and resumed; in the end it is left alone. Its weights, optimizer and scores have to
be those of a run that was never stopped, bit for bit (on a CPU). Exit code 1 where anything differs, a signal is not
answered, or a process is left behind.
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
#: Columns of ``metrics.jsonl`` that hold times.
TIMES = {"seconds", "images_per_second"}
RUNTIME = "runtime: {device: cpu, precision: fp32, memory_format: contiguous, workers: 0}\n"
FLIPS = "augment: {train: [albumentations/HorizontalFlip, albumentations/RandomBrightnessContrast]}\n"
NETWORK = "{use: resnet18, width: 8}"
RECIPES = {
    "classification": "trainer: {use: classification, epochs: 8, batch_size: 16, ema: 0.9, mixup: 0.2}\n"
    f"data: {{use: labelled_names, root: digits}}\nmodel: {{use: classifier, backbone: {NETWORK}, dropout: 0.1}}\n"
    f"schedule: {{use: cosine, warmup: 0.1}}\n{FLIPS}",
    "segmentation": "trainer: {use: segmentation, epochs: 8, batch_size: 4, accumulate: 2}\n"
    f"data: {{use: landcover, root: scenes}}\nmodel: {{use: smp/unet, backbone: {NETWORK}}}\nloss: focal\n{FLIPS}",
    "byol": "trainer: {use: byol, epochs: 6, batch_size: 32, evaluate_every: 2, hidden_dim: 64}\n"
    f"data: {{use: labelled_names, root: digits}}\nbackbone: {NETWORK}\nviews: [mild_view, mild_view]\n",
}
CASES = [(task, workers) for workers in (0, 2) for task in RECIPES]


@dataclass
class Round:
    """What happened to one run.

    Attributes:
        task, workers: what was trained.
        stops: each signal with the seconds after which it was sent, and the exit code that followed.
        restarts: how often a run was killed before its first checkpoint, so that it had to begin again.
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
    parser.add_argument("--keep", type=Path, help="keep all runs in this folder, for a look at what was found")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console, generator = Console(stderr=options.json), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        make_data(folder)
        twins: dict[str, float] = {}
        rounds = []
        for number in range(options.rounds):
            task, workers = CASES[number % len(CASES)]
            if task not in twins:
                started = time.monotonic()
                ended = subprocess.run(
                    command(folder, task, folder / f"{task}-twin", 0), capture_output=True, text=True
                )
                if ended.returncode:
                    sys.exit(f"the twin of {task} fails:\n{ended.stderr}")
                twins[task] = time.monotonic() - started
            result = soak(folder, task, workers, folder / f"run-{number}", twins[task], generator)
            rounds.append(result)
            console.print(
                f"{number + 1}/{options.rounds} {task}, workers {workers}: {', '.join(result.stops) or 'no stop'}"
            )
            for finding in result.findings:
                console.print(f"   {finding}", style="red", markup=False)
    bad = [each for each in rounds if each.findings]
    if options.json:
        print(
            json.dumps({"seed": options.seed, "exact": len(rounds) - len(bad), "rounds": [asdict(r) for r in rounds]})
        )
    else:
        show(rounds, console)
    return 1 if bad else 0


def make_data(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "digits": ["digits", "--set", "digits=[0,1]"],
        "scenes": ["landcover", "--set", "train=24", "--set", "size=64"],
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


def soak(folder: Path, task: str, workers: int, out: Path, usual: float, generator: random.Random) -> Round:
    """Stop a run one to four times, then let it end; ``usual`` is how long it takes undisturbed."""
    result, started = Round(task, workers), time.monotonic()
    for stops_left in range(generator.randint(1, 4), -1, -1):
        words = command(folder, task, out, workers)
        if checkpoints_in(out):
            words.append("--resume")
        elif out.exists():  # it was killed before its first checkpoint
            shutil.rmtree(out)
            result.restarts += 1
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
        if stops_left:
            stop(process, generator.uniform(0, usual), generator, result)
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


def stop(process: subprocess.Popen[str], after: float, generator: random.Random, result: Round) -> None:
    """Send a random signal to the process, or to its whole group as Ctrl-C does, and judge the answer."""
    number, whole_group = generator.choice(SIGNALS), generator.random() < 0.5
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number) if whole_group else process.send_signal(number)
    try:
        shown, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result.findings.append(f"{number.name} after {after:.1f} s is not answered within 60 s")
        return
    code = process.returncode
    result.stops.append(f"{number.name}{' to the group' if whole_group else ''} at {after:.1f} s: {code}")
    silent = code == -number and not shown and not errors  # Python itself was still starting: nothing was done
    if code not in (0, 75) and not silent and not (number == signal.SIGKILL and code == -number):
        result.findings.append(f"{result.stops[-1]}: {errors.strip()[-600:]}")
    if (code == 75 and "stopped" not in errors) or "Traceback" in errors:
        result.findings.append(f"{result.stops[-1]}, with the message {errors.strip()[-600:]!r}")


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
    stops = sum(len(each.stops) for each in rounds)
    exact = sum(not each.findings for each in rounds)
    console.print(f"{stops} stops, {exact} of {len(rounds)} runs equal to their twins bit for bit", style="bold")


if __name__ == "__main__":
    sys.exit(main())
