"""Runs of several processes, of which a random one is killed again and again, compared with undisturbed twins.

``python scripts/kill_ranks.py --kills 21 --devices 2 --keep DIR`` trains classification, segmentation and BYOL with
``run --devices N``. At random moments one of a run's processes gets SIGKILL: the job has to end within a minute with
exit code 1, leave no process behind, and name the process. It is then resumed. Weights, optimizer and scores of a run
that has come to its end have to be those of the twin, bit for bit (on CPUs), and another one begins until all kills are
done. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from soak import COMMAND, RECIPES, Round, checkpoints_in, differences, left_behind, make_data

#: Epochs of each run, so that it outlives a kill.
EPOCHS = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=21, help="of all runs together")
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep all runs in this folder")
    options = parser.parse_args()
    console, draw, bad = Console(), random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        make_data(folder)
        for number, task in enumerate(RECIPES):
            twin, out = folder / f"{task}-{options.devices}-twin", folder / f"{task}-{options.devices}-killed"
            for path in (twin, out):
                shutil.rmtree(path, ignore_errors=True)
            started, result = time.monotonic(), Round(task, 0)
            if begin(folder, task, twin, options.devices).wait():
                sys.exit(f"the twin of {task} fails: {twin / 'log.txt'}")
            usual = time.monotonic() - started
            kills = len(range(number, options.kills, len(RECIPES)))
            ended = 0
            while not result.findings and (len(result.stops) < kills or out.exists()):
                process = begin(folder, task, out, options.devices)
                done = kill(process, draw, usual if len(result.stops) < kills else None, result)
                if done:
                    result.findings += differences(twin, out)
                    ended += not result.findings
                    shutil.rmtree(out)
            console.print(f"{task}: process {', '.join(result.stops)}")
            verdict = "; ".join(result.findings) or f"{ended} runs equal to their twin bit for bit"
            console.print(f"   {len(result.stops)} kills, {verdict}", markup=False)
            bad += bool(result.findings)
    return 1 if bad else 0


def begin(folder: Path, task: str, out: Path, devices: int) -> subprocess.Popen[str]:
    root = folder / ("scenes" if task == "segmentation" else "digits")
    words = ["run", f"{folder / task}.yaml", "--out", out, "--devices", devices, "--set", f"data.root={root}"]
    words += ["--set", f"trainer.epochs={EPOCHS}", *(["--resume"] if checkpoints_in(out) else [])]
    if out.exists() and not checkpoints_in(out):
        shutil.rmtree(out)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*COMMAND, *map(str, words)], **pipes, text=True, process_group=0)  # type: ignore[call-overload,no-any-return]


def kill(process: subprocess.Popen[str], draw: random.Random, usual: float | None, result: Round) -> bool:
    """Kill a process of the run at a random moment and judge how it ends; whether the run is done.

    Args:
        usual: the seconds that a whole run takes; None leaves it alone.
    """
    after, rank = None if usual is None else draw.uniform(0.2, 0.9) * usual, None
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=after)
    while after is not None and process.poll() is None and not (ranks := ranks_of(process.pid)):
        time.sleep(0.1)
    if after is not None and process.poll() is None:
        rank = draw.choice(sorted(ranks))
        os.kill(ranks[rank], signal.SIGKILL)
    try:
        _, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        result.findings.append(f"goes on for a minute after process {rank} was killed at {after:.0f} s")
        return False
    left_behind(process, result)
    if process.returncode == 0:
        return True
    result.stops.append(f"{rank} at {after or 0:.0f} s")
    if process.returncode != 1 or f"process {rank} was killed by SIGKILL" not in errors or "Traceback" in errors:
        result.findings.append(f"exit code {process.returncode} at {after or 0:.0f} s: {errors.strip()[-600:]}")
    return False


def ranks_of(launcher: int) -> dict[int, int]:
    """Process numbers of the ranks that a launcher has started, by rank."""
    found = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        with suppress(OSError):
            entries = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
            variables = dict(entry.split("=", 1) for entry in entries if "=" in entry)
            if "RANK" in variables:
                found[int(variables["RANK"])] = int(child)
    return found


if __name__ == "__main__":
    sys.exit(main())
