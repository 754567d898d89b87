"""The same training by hw1cli and its peers: throughput, time to a fixed score, peak memory.

    pip install -r benchmarks/peers/requirements.txt
    python benchmarks/peers/run.py --json peers.json

Each script of this folder trains the same network on the same files with the same batch, epochs, optimizer and rate,
in a process of its own; libraries are imported before its clock starts. The scripts of a task take turns, in as many
rounds as asked for; figures are medians. "images/s" is of training alone, evaluation left out; "to score" is from the
start of the clock, data, network and evaluation included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TASKS = {
    "classification": ["hw1cli_classification", "plain", "lightning_trainer", "accelerate_loop", "timm_parts"],
    "segmentation": ["hw1cli_segmentation", "smp_example"],
    "byol": ["hw1cli_byol", "lightly_byol"],
}
FIGURES = ("images_per_second", "seconds_to_score", "score", "seconds", "peak_mb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PEERS_DATA": folder, "HW1CLI_CACHE": f"{folder}/cache"}
        prepare(Path(folder), environment)
        print(
            f"{'task':15} {'by':24} {'images/s':>8} {'to score':>8} {'score':>6} {'peak MB':>8}   seconds", flush=True
        )
        for task in arguments.tasks:
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in TASKS[task]}
            for _ in range(arguments.rounds):
                for name, results in found.items():
                    results += measured(name, environment)
            for name, results in found.items():
                row = {"task": task, "by": name, **{figure: median(results, figure) for figure in FIGURES}}
                rows.append(row)
                print(line(row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Write the data: digits in a folder for each class, and scenes of land cover."""
    make = [sys.executable, str(ROOT / "hw1cli.py"), "data", "make"]
    scenes = ["--set", "train=64", "--set", "validation=16", "--set", "size=128"]
    for words in (["landcover", "--out", f"{folder}/scenes", *scenes], ["digits", "--out", f"{folder}/named"]):
        subprocess.run([*make, *words], check=True, stdout=subprocess.DEVNULL, env=environment)
    for split in ("train", "val"):
        for path in (folder / "named" / f"{split}_50").glob("*.png"):
            of_class = folder / "digits" / split / path.stem.partition("_")[0]
            of_class.mkdir(parents=True, exist_ok=True)
            path.rename(of_class / path.name)


def measured(name: str, environment: dict[str, str]) -> list[dict[str, Any]]:
    """What a script prints in its last line; nothing where it fails, which is shown."""
    command = [sys.executable, str(HERE / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE)
    if done.returncode:
        print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return []
    return [json.loads(done.stdout.strip().splitlines()[-1])]


def median(results: list[dict[str, Any]], figure: str) -> float | None:
    values = [result[figure] for result in results if result[figure] is not None]
    return statistics.median(values) if values and len(values) == len(results) else None


def line(row: dict[str, Any]) -> str:
    def shown(figure: str, digits: int, width: int) -> str:
        value = row[figure]
        return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"

    places = (("images_per_second", 0, 8), ("seconds_to_score", 1, 8), ("score", 3, 6), ("peak_mb", 0, 8))
    figures = " ".join(shown(*place) for place in places)
    return f"{row['task']:15} {row['by']:24} {figures}   {shown('seconds', 1, 7)}"


if __name__ == "__main__":
    main()
