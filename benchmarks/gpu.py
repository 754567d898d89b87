"""Training on a GPU: images per second, share of the matrix rate, time spent waiting for data, peak memory.

    python benchmarks/gpu.py --json gpu.json        # bf16, channels_last, compile off and on
    python benchmarks/gpu.py --device cpu --tiny    # does it run? small images, fp32, no compile

Each row is ``hw1cli bench`` of a recipe over generated images, in a process of its own: the training step as in a run,
with the loader, preprocessing and optimizer. "of peak" is the network's floating-point operations per second over
those of a product of two square matrices in the same precision on the same device. "waiting" is the share of a step's
time for which the network waits for the loader: 1 - (both) / (network alone).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
DIGITS = """
data: {{use: labelled_names, root: {data}/digits}}
augment: {{train: [{{use: albumentations/Resize, height: {side}, width: {side}}}]}}
"""
#: Name -> recipe; side and batch on a GPU; side and batch of ``--tiny``.
NETWORKS = {
    "deeplabv3-resnet50": (
        "trainer: {{use: segmentation, batch_size: {batch}}}\ndata: {{use: landcover, root: {data}/scenes}}\n"
        "model: {{use: smp/deeplabv3, backbone: {{use: timm/resnet50, pretrained: false}}}}\nloss: focal\n"
        "augment: {{train: [albumentations/HorizontalFlip]}}\n",
        *((512, 16), (64, 2)),
    ),
    "resnet18": (
        "trainer: {{use: classification, batch_size: {batch}}}\nmodel: resnet18\n" + DIGITS,
        *((224, 256), (32, 4)),
    ),
    "efficientnetv2_s": (
        "trainer: {{use: classification, batch_size: {batch}}}\n"
        "model: {{use: classifier, backbone: {{use: timm/efficientnetv2_s, pretrained: false}}}}\n" + DIGITS,
        *((224, 128), (64, 2)),
    ),
    "byol-resnet50": (
        "trainer: {{use: byol, batch_size: {batch}}}\nbackbone: {{use: timm/resnet50, pretrained: false}}\n"
        "views: [{{use: byol_view_1, size: {side}}}, {{use: byol_view_2, size: {side}}}]\n" + DIGITS,
        *((128, 128), (32, 4)),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--tiny", action="store_true", help="small images and batches, compile off")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'network':20} {'size':>4} {'batch':>5} {'compile':7} {'images/s':>9} of peak waiting {'peak GB':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        side = NETWORKS["deeplabv3-resnet50"][1 + arguments.tiny][0]
        hw1cli("data", "make", "landcover", "--out", f"{folder}/scenes", *options(train=48, validation=2, size=side))
        hw1cli("data", "make", "digits", "--out", f"{folder}/digits")
        for network in arguments.networks:
            for compiled in (False,) if arguments.tiny else (False, True):
                row = measure(network, compiled, folder, arguments)
                rows.append(row)
                if "error" in row:
                    print(f"{network:20} failed: {row['error']}", flush=True)
                    continue
                figures = f"{row['images_per_second']:9.1f} {row['of_peak']:7.0%} {row['waiting']:7.1%}"
                where = f"{network:20} {row['side']:4} {row['batch']:5} {'on' if compiled else 'off':7}"
                print(f"{where} {figures} {row['peak_gb']:8.2f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(network: str, compiled: bool, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """A row of the table."""
    text, *sizes = NETWORKS[network]
    side, batch = sizes[arguments.tiny]
    recipe = folder / f"{network}.yaml"
    cpu = arguments.device == "cpu"
    runtime = {
        "device": arguments.device,
        "precision": "fp32" if cpu else "bf16",
        "memory_format": "contiguous" if cpu else "channels_last",
        "workers": 0 if arguments.tiny else arguments.workers,
        "compile": compiled,
    }
    recipe.write_text(text.format(data=folder, side=side, batch=batch) + f"runtime: {json.dumps(runtime)}\n")
    done = hw1cli("bench", str(recipe), "--seconds", str(arguments.seconds), "--json", check=False)
    row: dict[str, Any] = {"network": network, "side": side, "batch": batch, "compile": compiled}
    if done.returncode:
        return {**row, "error": done.stderr.strip().splitlines()[-1]}
    found = json.loads(done.stdout)
    rates = found["images_per_second"]
    return {
        **row,
        "images_per_second": rates["both"],
        "of_peak": found["gflops"] / found["matrix_gflops"],
        "waiting": max(0.0, 1 - rates["both"] / rates["network"]),
        "peak_gb": found["peak_mb"] / 1e3,
        "bench": found,
    }


def options(**settings: int) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def hw1cli(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "hw1cli.py"), *words]
    return subprocess.run(command, check=check, capture_output=True, text=True)


if __name__ == "__main__":
    main()
