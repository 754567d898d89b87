"""Is the chosen memory format the fastest? And what does the allocator's setting change?

    python benchmarks/runtime.py --json runtime.json

Each network is measured in a process of its own: first ``registry.engine.runtime.autotune`` chooses as a run does, then
every candidate is measured again with more repetitions in alternation. The last column is the time of the best
candidate over that of the chosen one; 1.00 is the best possible. The allocator's columns are seconds of the chosen
candidate, page faults and peak memory with and without ``keep_large_blocks``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
NETWORKS = {
    "deeplabv3-resnet18 128 train": ("deeplab", 8, 128, True),
    "deeplabv3-resnet18 128 infer": ("deeplab", 8, 128, False),
    "resnet18 64 train": ("resnet18", 32, 64, True),
    "efficientnet-lite0 128 train": ("tf_efficientnet_lite0", 16, 128, True),
    "efficientnet-lite0 128 infer": ("tf_efficientnet_lite0", 32, 128, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    parser.add_argument("--measure", choices=NETWORKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.repeats)))
        return
    rows = []
    print(f"{'network':30} {'chosen':20} {'best/chosen':>11}   seconds, faults a step, peak MB: kept | default")
    for name in NETWORKS:
        kept, default = (child(name, arguments.repeats, keep) for keep in ("1", "0"))
        rows.append({"network": name, "kept": kept, "default": default})
        cost = " | ".join(
            f"{each['seconds']:.3f} {each['faults']:7.0f} {each['peak']:5.0f}" for each in (kept, default)
        )
        print(f"{name:30} {kept['chosen']:20} {kept['share']:11.2f}   {cost}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def child(name: str, repeats: int, keep: str) -> dict[str, Any]:
    """``measure`` in a process with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HW1CLI_CACHE": cache, "HW1CLI_MALLOPT": keep, "PYTHONPATH": str(HERE)}
        command = [sys.executable, __file__, "--measure", name, "--repeats", str(repeats)]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(found.stdout)  # type: ignore[no-any-return]


def measure(name: str, repeats: int) -> dict[str, Any]:
    """The choice, and what an independent measurement says."""
    import torch

    from registry.engine.runtime import autotune
    from registry.engine.runtime.device import DTYPES, LAYOUTS, device_for

    kind, batch, side, training = NETWORKS[name]
    device = device_for("cpu")
    images, network = torch.randn(batch, 3, side, side), build(kind).train(training)

    def step(net: Any, setting: autotune.Setting) -> None:
        x = images.contiguous(memory_format=LAYOUTS[setting.memory_format])
        reduced = torch.autocast("cpu", DTYPES.get(setting.precision), enabled=setting.precision != "fp32")
        with reduced, torch.set_grad_enabled(training):
            loss = net(x).float().mean()
        if training:
            net.zero_grad()
            loss.backward()

    candidates = autotune.candidates(device, "auto", "auto")
    start = time.perf_counter()
    chosen, reason = autotune.choose(network, candidates, step, identity=[name], device=device)
    took = time.perf_counter() - start
    best: dict[autotune.Setting, float] = {}
    networks = {each: build(kind).train(training).to(memory_format=LAYOUTS[each.memory_format]) for each in candidates}
    faults = 0
    for repetition in range(repeats + 1):
        for setting in candidates:
            before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
            step(networks[setting], setting)
            seconds = time.perf_counter() - begin
            if repetition:
                best[setting] = min(seconds, best.get(setting, seconds))
            if setting == chosen:
                faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return {
        "chosen": str(chosen),
        "reason": reason,
        "took": took,
        "share": min(best.values()) / best[chosen],
        "seconds": best[chosen],
        "faults": faults,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def build(kind: str) -> Any:
    """A network with random weights."""
    if kind == "deeplab":
        import segmentation_models_pytorch as smp

        return smp.DeepLabV3("resnet18", encoder_weights=None, classes=7, encoder_output_stride=16)
    import timm

    return timm.create_model(kind)


if __name__ == "__main__":
    main()
