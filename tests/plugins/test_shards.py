"""Packed data sets: the samples, and the training, of the folders they were made from, from a disk or a server."""

from __future__ import annotations

import csv
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset as wds
from PIL import Image
from runs import same, train, weights

from plugins.folders.csv_labels import CsvLabels
from plugins.folders.csv_multilabels import CsvMultilabels
from plugins.folders.image_folders import ImageFolders
from plugins.hw1.landcover import LandCover
from plugins.shards import source
from plugins.shards.pack import pack
from plugins.shards.packed import Shards
from registry.engine import UnreadableImage
from registry.errors import InputError


def packed(data: Any, out: Path, shard_bytes: int = 6000) -> Path:
    """The index of a data set packed into many small shards."""
    return Path(pack(data, out, shard_bytes, lambda: None)["index"])


class _Handler(http.server.SimpleHTTPRequestHandler):
    """A plain file server; ``faults`` are met before it works, ``ranges`` lets it serve parts of files."""

    faults: list[str] = []  # noqa: RUF012 - shared on purpose
    seen: list[str] = []  # noqa: RUF012
    ranges = False

    def do_GET(self) -> None:
        self.seen.append(self.path)
        fault = self.faults.pop(0) if self.faults and self.path.endswith(".tar") else ""
        path = Path(self.translate_path(self.path))
        if fault == "unavailable":
            self.send_error(503)
        elif fault == "cut" or (fault == "damaged"):
            content = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content[::-1])
            self.close_connection = True
        elif self.ranges and "Range" in self.headers:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            part = path.read_bytes()[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[str, type[_Handler]]]]:
    """serve(folder, faults, ranges): its address on this machine, and the handler."""
    servers = []
    monkeypatch.setattr(source, "_WAIT", 0.02)

    def start(folder: Path, faults: tuple[str, ...] = (), ranges: bool = False) -> tuple[str, type[_Handler]]:
        handler = type("Handler", (_Handler,), {"faults": [*faults], "seen": [], "ranges": ranges})
        made = functools.partial(handler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def assert_same_samples(one: Any, other: Any) -> None:
    assert list(one.names) == list(other.names) and len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert left.keys() == right.keys() and left.get("label") == right.get("label")
        assert all(np.array_equal(left[key], right[key]) for key in ("image", "mask") if key in left)


def test_training_on_shards_takes_the_steps_of_the_folder(
    recipe: Path, scenes: Path, stranger: None, tmp_path: Path
) -> None:
    index = packed(LandCover(scenes), tmp_path / "shards")
    assert len(json.loads(index.read_text())["splits"]["train"]["shards"]) > 2
    assert_same_samples(Shards(str(index)).split("val"), LandCover(scenes).split("val"))
    train(recipe, tmp_path / "folder")
    text = recipe.read_text().replace(f"use: landcover, root: {scenes}", f"use: shards, index: {index.parent}")
    recipe.write_text(text.replace("workers: 0", "workers: 1"))
    train(recipe, tmp_path / "packed")
    assert same(weights(tmp_path / "folder"), weights(tmp_path / "packed"))


def test_training_from_a_server_that_fails_at_first_takes_the_steps_of_the_folder(
    shapes: Path, colored_images: Path, stranger: None, tmp_path: Path, serve: Callable[..., tuple[str, type[_Handler]]]
) -> None:
    data = ImageFolders(colored_images)
    index = packed(data, tmp_path / "shards")
    url, handler = serve(index.parent, ("unavailable", "cut", "damaged"))
    train(shapes, tmp_path / "folder")
    shapes.write_text(
        shapes.read_text().replace(f"use: image_folders, root: {colored_images}", f"use: shards, index: '{url}'")
    )
    train(shapes, tmp_path / "served")
    assert same(weights(tmp_path / "folder"), weights(tmp_path / "served"))
    tars = [path for path in handler.seen if path.endswith(".tar")]
    assert len(tars) == len(set(tars)) + 3, "each shard once, and three attempts more"
    del handler.seen[:]
    assert_same_samples(Shards(url).split("train"), data.split("train"))
    assert handler.seen == ["/index.json"], "the rest is in the cache"


def test_parts_of_shards_are_requested_where_nothing_is_kept(
    colored_images: Path, tmp_path: Path, serve: Callable[..., tuple[str, type[_Handler]]]
) -> None:
    index = packed(ImageFolders(colored_images), tmp_path / "shards")
    url, _ = serve(index.parent, ("unavailable",), ranges=True)
    assert_same_samples(Shards(f"{url}/", cache=False).split("val"), ImageFolders(colored_images).split("val"))
    plain, _ = serve(index.parent)
    with pytest.raises(InputError, match=r"val-000000\.tar: the server does not serve parts of files"):
        Shards(plain, cache=False).split("val")[0]


def test_a_server_that_cannot_be_used_is_named(
    colored_images: Path, tmp_path: Path, serve: Callable[..., tuple[str, type[_Handler]]]
) -> None:
    index = packed(ImageFolders(colored_images), tmp_path / "shards", 10**6)
    url, handler = serve(index.parent, ("damaged",) * 6)
    with pytest.raises(InputError, match=r"train-000000\.tar: cannot be downloaded after 6 attempts: .* checksum"):
        Shards(url).split("train")[0]
    with pytest.raises(InputError, match=r"nowhere/index\.json: cannot be downloaded: 404"):
        Shards(f"{url}/nowhere")
    assert handler.seen.count("/nowhere/index.json") == 1, "what will not change is not tried again"


def test_damage_names_the_shard_and_the_sample(colored_images: Path, tmp_path: Path) -> None:
    index = packed(ImageFolders(colored_images), tmp_path / "shards")
    samples: Any = Shards(str(index)).split("train")
    shard = index.with_name("train-000001.tar")
    content = bytearray(shard.read_bytes())
    content[600] ^= 1
    shard.write_bytes(content)
    bad = []
    for position in range(len(samples)):
        try:
            samples[position]
        except UnreadableImage as error:
            bad.append((position, error.problems[0].path))
    assert len(bad) == 1
    assert bad[0][1] == f"{shard}, sample {bad[0][0]} ({samples.names[bad[0][0]]})"
    shard.write_bytes(content[:1000])
    with pytest.raises(InputError, match=r"train-000001\.tar: has 1000 bytes, expected"):
        Shards(str(index))
    shard.unlink()
    with pytest.raises(InputError, match=r"train-000001\.tar: cannot be read: No such file"):
        Shards(str(index))
    index.write_text("{}")
    with pytest.raises(InputError, match="is not an index of shards"):
        Shards(str(index))


def test_packing_gives_the_same_bytes_and_is_whole_or_not_there(colored_images: Path, tmp_path: Path) -> None:
    one, other = (packed(ImageFolders(colored_images), tmp_path / name).parent for name in ("one", "other"))
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in other.iterdir()}
    with pytest.raises(InputError, match="is not empty"):
        packed(ImageFolders(colored_images), one)
    broken = tmp_path / "broken"
    shutil.copytree(colored_images, broken)
    bad = broken / "val" / "blue" / "3.png"
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(UnreadableImage, match=r"blue/3\.png"):
        packed(ImageFolders(broken), tmp_path / "none")
    assert not [path for path in tmp_path.iterdir() if "none" in path.name]


@pytest.mark.parametrize("several", [False, True])
def test_labels_of_tables_are_kept(several: bool, colored_images: Path, tmp_path: Path) -> None:
    """Words, an unknown one, and several of an image."""
    root = tmp_path / "data"
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
        rows = [("zebra", "ant;zebra"), ("ant", ""), ("None", "ant")]
        with (root / f"{split}.csv").open("w") as file:
            csv.writer(file).writerows(
                [("filename", "label"), *((f"ü {n}.png", row[several]) for n, row in enumerate(rows))]
            )
        for number in range(3):
            Image.new("RGB", (5 + number, 4), (number, 9, 9)).save(root / split / f"ü {number}.png")
    tables = (("train", "train.csv"), ("val", "val.csv"))
    data: Any = CsvMultilabels(root, *tables, ";") if several else CsvLabels(root)
    read: Any = Shards(str(packed(data, tmp_path / "shards").parent))
    for split in ("train", "val"):
        assert_same_samples(read.split(split), data.split(split))
        assert list(read.split(split).labels) == list(data.split(split).labels)
    assert read.facts == data.facts


def test_webdataset_reads_the_same_images_and_labels(colored_images: Path, tmp_path: Path) -> None:
    data: Any = ImageFolders(colored_images).split("train")
    index = packed(ImageFolders(colored_images), tmp_path / "shards")
    urls = [str(path) for path in sorted(index.parent.glob("train-*.tar"))]
    rows = list(wds.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("png", "cls"))
    assert [label for _, label in rows] == list(data.labels)
    assert all(np.array_equal(image, sample["image"]) for (image, _), sample in zip(rows, data, strict=True))
