"""Shards beside folders: images per second, and what an index of ten million samples takes.

    python benchmarks/shards.py throughput [--images 600] [--side 256] [--rounds 5]
    python benchmarks/shards.py plan [--samples 10000000]

``throughput`` reads the same JPEG files through the loader of a training, decoded each time, from both layouts in
alternation, and prints the ratio of the medians. ``plan`` writes an index of made-up samples over sparse shards, opens
it in a process of its own, and prints the seconds to the first batch and the memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from plugins.shards.layout import FORMAT, INDEX, RECORD
from plugins.shards.pack import pack
from plugins.shards.packed import Shards

_SHARD, _SAMPLE = 256_000_000, 100_000


def throughput(images: int, side: int, rounds: int) -> None:
    """Print images per second of both layouts and their ratio."""
    from plugins.folders.image_folders import ImageFolders
    from registry.engine.data.augmented import Augmented
    from registry.engine.data.loader import EpochOrder, batches, make_loader

    with tempfile.TemporaryDirectory() as temporary:
        root, random = Path(temporary) / "folder", np.random.default_rng(0)
        for number in range(images):
            folder = root / "train" / str(number % 10)
            folder.mkdir(parents=True, exist_ok=True)
            rough = Image.fromarray(random.integers(0, 256, (side // 8, side // 8, 3), np.uint8))
            rough.resize((side, side)).save(folder / f"{number}.jpg", quality=90)
        data = ImageFolders(root, val=None)
        index = pack(data, Path(temporary) / "shards", _SHARD, lambda: None)["index"]
        speeds: dict[str, list[float]] = {"folder": [], "shards": []}
        for turn in range(2 * (rounds + 1)):
            name = ("folder", "shards")[turn % 2]
            samples: Any = data.split("train") if name == "folder" else Shards(index).split("train")
            order = EpochOrder(images, 32, seed=turn // 2)
            loader = make_loader(Augmented(samples, None, seed=0), order, workers=0, pin_memory=False)
            order.start(1)
            start = time.perf_counter()
            seen = sum(len(batch["name"]) for batch in batches(loader))
            speeds[name].append(seen / (time.perf_counter() - start))
    medians = {name: statistics.median(values[1:]) for name, values in speeds.items()}  # the first one warms up
    ratios = [one / other for one, other in zip(speeds["shards"][1:], speeds["folder"][1:], strict=True)]
    print(f"images/s: {', '.join(f'{name} {value:.0f}' for name, value in medians.items())}")
    print(f"shards / folder: {medians['shards'] / medians['folder']:.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def plan(samples: int) -> None:
    """Print what an index of so many samples takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        each = _SHARD // _SAMPLE
        records = np.lib.format.open_memmap(folder / "train.npy", "w+", RECORD, (samples,))
        numbers = np.arange(samples)
        records["shard"], records["offset"] = numbers // each, numbers % each * _SAMPLE + 512
        records["image"], records["label"], records["name"] = _SAMPLE - 1024, numbers % 1000, numbers * 13
        records.flush()
        np.char.mod("n%07d.JPEG", numbers % 10**7).astype("S13").tofile(folder / "train.names")
        shards = []
        for number in range(-(-samples // each)):
            name = f"train-{number:06d}.tar"
            with (folder / name).open("wb") as file:
                file.truncate(_SHARD)
            shards.append({"file": name, "bytes": _SHARD, "sha256": "0" * 64, "samples": each, "classes": {"0": each}})
        tables = {
            name: {"file": f"train.{end}", "bytes": (folder / f"train.{end}").stat().st_size, "sha256": ""}
            for name, end in (("records", "npy"), ("names", "names"))
        }
        facts = {"num_classes": 1000, "in_channels": 3}
        split = {"samples": samples, "shards": shards, "tables": tables}
        (folder / INDEX).write_text(json.dumps({"format": FORMAT, "facts": facts, "splits": {"train": split}}))
        sizes = {path.name: path.stat().st_size / 1e6 for path in (folder / INDEX, *folder.glob("train.n*"))}
        print(f"{samples:,} samples, {len(shards):,} shards; MB: {', '.join(f'{n} {s:.1f}' for n, s in sizes.items())}")
        del records, numbers
        subprocess.run([sys.executable, __file__, "open", str(folder)], check=True)


def opened(folder: str) -> None:
    """Print seconds and memory from the index to the first batch's samples."""
    from registry.engine.data.loader import EpochOrder

    def memory() -> str:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        own, mapped, peak = (int(status[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmHWM"))
        return f"own memory {own:.0f} MiB, mapped files {mapped:.0f} MiB, peak of both {peak:.0f} MiB"

    print(f"{'imported':24}        {memory()}")
    start = time.perf_counter()
    train = Shards(folder).split("train")
    assert train is not None
    print(f"{'index opened':24} {time.perf_counter() - start:5.2f} s  {memory()}")
    order = EpochOrder(len(train), 256, seed=0)
    order.start(1)
    keys = iter(order)
    batch = next(keys)
    print(f"{'order of an epoch':24} {time.perf_counter() - start:5.2f} s  {memory()}")
    names = [train.names[index] for _, index in batch]
    print(f"{'names of the first batch':24} {time.perf_counter() - start:5.2f} s  {memory()}  ({names[0]}, ...)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        opened(sys.argv[2])
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["throughput", "plan"])
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10_000_000)
    given = parser.parse_args()
    if given.what == "plan":
        plan(given.samples)
    else:
        throughput(given.images, given.side, given.rounds)
