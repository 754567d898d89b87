"""From the command to the first step: the time of imports, library by library, and of everything else.

    python benchmarks/first_step.py --json first_step.json
    python benchmarks/first_step.py recipes/cls_resnet18.yaml

Each recipe's demo is started twice under ``-X importtime`` and stopped where training begins; the second start counts,
when generated data, measured formats and compiled files are at hand. The interpreter's own report of each import adds
some percent.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
RECIPES = [ROOT / "recipes" / f"{name}.yaml" for name in ("seg_deeplab_focal", "cls_resnet18", "ssl_byol_resnet50")]
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w]+)")
OURS = ("hw1cli", "registry", "plugins")


def start(recipe: Path, folder: Path) -> tuple[float, Counter[str]]:
    """Seconds until training begins, and those of them that each package's import took."""
    command = [sys.executable, "-X", "importtime", ROOT / "hw1cli.py", "run", recipe, "--demo", "--out", folder / "run"]
    began, took = time.perf_counter(), 0.0
    with (folder / "imports.txt").open("w+") as imports:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=imports, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("writing to"):
                    took = time.perf_counter() - began
                    imports.flush()
                    read = imports.tell()
                    process.kill()
        imports.seek(0)
        text = imports.read(read) if took else imports.read()
    if not took:
        sys.exit(text)
    seconds: Counter[str] = Counter()
    for micros, package in IMPORTED.findall(text):
        seconds["our own modules" if package in OURS else package] += int(micros) / 1e6
    return took, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path, default=RECIPES)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = {}
    table = Table("recipe", "training begins", "imports", "everything else", "the largest imports", title="Seconds")
    for recipe in given.recipes:
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                took, imports = start(recipe.resolve(), Path(folder))
        largest = ", ".join(f"{name} {value:.1f}" for name, value in imports.most_common(6))
        total = imports.total()
        table.add_row(recipe.stem, f"{took:.1f}", f"{total:.1f}", f"{took - total:.1f}", largest)
        rows[recipe.stem] = {"begins": took, "imports": dict(imports.most_common())}
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
