"""Decoded samples kept on disk: the same pixels, whoever wrote them and whatever happened to the files."""

import multiprocessing
import os
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from PIL import Image

from registry.engine.data import decoded
from registry.engine.data.augmented import Augmented
from registry.engine.data.decoded import DecodedSamples, open_decoded
from registry.engine.data.images import read_image


class Photographs:
    """Image files with labels; ``read`` counts how often one was decoded."""

    def __init__(self, folder, sizes=((48, 64), (30, 20), (100, 100))):
        random = np.random.default_rng(0)
        self.files, self.labels, self.read = [], [], 0
        for number, size in enumerate(sizes):
            path = folder / f"{number}.png"
            Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(path)
            self.files.append(path)
            self.labels.append(number)
        self.names = [path.name for path in self.files]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        self.read += 1
        return {"image": read_image(self.files[index]), "name": self.names[index], "label": self.labels[index]}


@pytest.fixture
def photographs(tmp_path):
    (tmp_path / "photos").mkdir()
    return Photographs(tmp_path / "photos")


def kept(samples, parent, shrink=None, transform=None, identity="photographs"):
    split = Augmented(samples, transform, seed=7, shrink=shrink)
    split.decoded, sentence = open_decoded(samples, identity, split.before_transform(0), parent)
    return split, sentence


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


@pytest.mark.parametrize(
    "shrink",
    [None, A.Resize(32, 32), A.SmallestMaxSize(24), A.LongestMaxSize(40)],
    ids=lambda each: type(each).__name__,
)
def test_samples_are_decoded_once_and_equal_those_decoded_each_time(photographs, tmp_path, shrink):
    shrink = A.Compose([shrink], strict=True) if shrink is not None else None
    crop = A.Compose([A.RandomCrop(16, 16), A.HorizontalFlip()], strict=True)
    split, _ = kept(photographs, tmp_path / "cache", shrink, crop)
    plain = Augmented(photographs, crop, seed=7, shrink=shrink)
    for epoch in (1, 2, 3):
        for index in range(len(photographs)):
            assert_equal(split[epoch, index], plain[epoch, index])
    photographs.read = 0
    again, _ = kept(photographs, tmp_path / "cache", shrink, crop)
    for index in range(len(photographs)):
        again[4, index]
    assert photographs.read == 1  # the first sample, which shows how much room is needed


def test_an_image_smaller_than_the_first_resizing_is_kept_small(photographs, tmp_path):
    split, _ = kept(photographs, tmp_path / "cache", A.Compose([A.Resize(64, 64)], strict=True))
    for index in range(3):
        split[1, index]
    sizes = [split.decoded.read(index)[0]["image"].shape[:2] for index in range(3)]
    assert sizes == [(48, 64), (30, 20), (64, 64)]
    assert [split[2, index]["image"].shape[:2] for index in range(3)] == [(64, 64)] * 3


def test_masks_are_kept_beside_their_images(tmp_path):
    store, _ = empty_store(tmp_path)
    sample = {"image": np.full((4, 6, 3), 9, np.uint8), "mask": np.arange(24, dtype=np.uint8).reshape(4, 6)}
    store.write(1, sample, False)
    arrays, shrunk = store.read(1)
    assert_equal(arrays, sample)
    assert not shrunk
    assert all(array.flags.writeable and array.flags.c_contiguous for array in arrays.values())
    assert store.read(0) is None


def empty_store(tmp_path, length=8):
    folder = tmp_path / "store"
    folder.mkdir(exist_ok=True)
    (folder / "records.bin").write_bytes(bytes(length * decoded._RECORD.itemsize))
    return DecodedSamples(folder, length), folder


@pytest.mark.parametrize("file", ["pixels.bin", "records.bin"])
def test_a_flipped_byte_is_noticed_and_the_sample_decoded_again(tmp_path, file):
    store, folder = empty_store(tmp_path)
    store.write(0, {"image": np.zeros((8, 8, 3), np.uint8)}, False)
    content = bytearray((folder / file).read_bytes())
    content[10] ^= 1
    (folder / file).write_bytes(content)
    assert DecodedSamples(folder, 8).read(0) is None


def write_for_ever(store):
    number = 0
    while True:
        store.write(number % store.length, {"image": np.full((64, 64, 3), number % store.length, np.uint8)}, False)
        number += 1


def test_writers_that_are_killed_leave_whole_samples_or_none(tmp_path):
    store, folder = empty_store(tmp_path)
    start = multiprocessing.get_context("fork").Process
    writers = [start(target=write_for_ever, args=(store,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while not (folder / "pixels.bin").exists() or (folder / "pixels.bin").stat().st_size < 2_000_000:
        pass
    for writer in writers:
        writer.kill()
        writer.join()
    found = [DecodedSamples(folder, 8).read(index) for index in range(8)]
    assert sum(each is not None for each in found) >= 6
    assert all((each[0]["image"] == index).all() for index, each in enumerate(found) if each is not None)


def test_a_changed_file_or_another_data_set_is_decoded_anew(photographs, tmp_path):
    first, _ = kept(photographs, tmp_path / "cache")
    other, _ = kept(photographs, tmp_path / "cache", identity="others")
    os.utime(photographs.files[1], (1, 1))
    changed, _ = kept(photographs, tmp_path / "cache")
    assert len({each.decoded.folder for each in (first, other, changed)}) == 3


def test_no_room_turns_it_off_and_says_so(photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("HW1CLI_DECODED_GB", "0.00001")
    split, sentence = kept(photographs, tmp_path / "cache")
    assert split.decoded is None
    assert "decoded in every epoch" in sentence and "MB" in sentence


def test_the_least_recently_used_makes_room(photographs, tmp_path, monkeypatch):
    parent = tmp_path / "cache"
    folders = []
    for number, identity in enumerate(("old", "new")):
        split, _ = kept(photographs, parent, identity=identity)
        for index in range(3):
            split[1, index]
        os.utime(split.decoded.folder / "records.bin", (number + 1, number + 1))
        folders.append(split.decoded.folder)
    monkeypatch.setenv("HW1CLI_DECODED_GB", str(2.5 * 3 * 48 * 64 * 3 / 1e9))
    kept(photographs, parent, identity="third")
    assert [folder.exists() for folder in folders] == [False, True]


def test_a_removed_cache_is_as_good_as_an_empty_one(photographs, tmp_path):
    split, _ = kept(photographs, tmp_path / "cache")
    for path in split.decoded.folder.iterdir():
        path.unlink()
    split.decoded.folder.rmdir()
    assert split[1, 0]["image"].shape == (48, 64, 3)


def test_a_data_set_without_files_is_decoded_each_time(photographs, tmp_path):
    del photographs.files
    photographs.__class__ = type("NoFiles", (), {k: v for k, v in vars(Photographs).items() if k != "__dict__"})
    sentence = open_decoded(photographs, "x", {"image": np.zeros((2, 2, 3), np.uint8), "name": "a"}, tmp_path)[1]
    assert "does not name the files" in sentence


def test_the_folder_is_one_that_the_recipe_names(photographs, tmp_path):
    split, sentence = kept(photographs, tmp_path / "elsewhere")
    assert split.decoded.folder.parent == Path(tmp_path / "elsewhere")
    assert str(tmp_path / "elsewhere") in sentence
