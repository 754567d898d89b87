"""Images that other readers get wrong: rotated, truncated, palette, 16 bits, transparent, huge, lossy."""

from __future__ import annotations

import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.engine import UnreadableImage, image_size, read_color_mask, read_image, read_index_mask


@pytest.fixture
def photo() -> Image.Image:
    y, x = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 5, (x + y) * 2], -1).astype(np.uint8))


@pytest.mark.parametrize("ending", ["jpg", "tif", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, photo: Image.Image, ending: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"turned.{ending}"
    photo.save(path, exif=exif, quality=98)
    upright = np.asarray(photo).astype(int)
    # What each value means, by the EXIF standard: where the stored first row and first column belong.
    upright = upright.swapaxes(0, 1) if orientation >= 5 else upright
    upright = upright[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]
    read = read_image(path)
    assert read.shape == upright.shape and image_size(path) == upright.shape[1::-1]
    assert np.abs(read.astype(int) - upright).mean() < 6
    assert read.flags.c_contiguous and read.flags.writeable


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", ["cut", "zeros"])
def test_truncated_jpeg_is_refused_even_where_grey_fill_was_asked_for(
    tmp_path: Path, photo: Image.Image, monkeypatch: pytest.MonkeyPatch, progressive: bool, cut: str
) -> None:
    path = tmp_path / "short.jpg"
    photo.resize((320, 240)).save(path, progressive=progressive)
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + (bytes(len(data) - half) if cut == "zeros" else b""))
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadableImage, match=r"short\.jpg: .*truncated"):
        read_image(path)


def test_zeros_after_a_whole_jpeg_are_harmless(tmp_path: Path, photo: Image.Image) -> None:
    path = tmp_path / "padded.jpg"
    photo.save(path)
    path.write_bytes(path.read_bytes() + bytes(500))
    assert read_image(path).shape == (48, 64, 3)


def test_error_of_a_file_that_is_not_an_image_names_it_and_pickles(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    for path, reason in ((tmp_path / "page.jpg", "is not an image"), (tmp_path / "none.png", "No such file")):
        for read in (read_image, read_index_mask, image_size):
            with pytest.raises(UnreadableImage, match=reason) as caught:
                read(path)
            again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
            assert again.problems == caught.value.problems and again.problems[0].path == str(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for width, height in ((20_000, 10_001), (60_000, 60_000)):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        path = tmp_path / "bomb.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        for read in (read_image, image_size):
            with pytest.raises(UnreadableImage, match="200,000,000"):
                read(path)


def test_modes_become_rgb(tmp_path: Path) -> None:
    def read(image: Image.Image, name: str = "x.png") -> list[int]:
        image.save(tmp_path / name)
        return read_image(tmp_path / name)[0, 0].tolist()  # type: ignore[no-any-return]

    assert read(Image.new("L", (4, 4), 77)) == [77, 77, 77]
    assert read(Image.new("RGBA", (4, 4), (10, 20, 30, 0))) == [255, 255, 255], "transparent shows white"
    assert read(Image.new("RGBA", (4, 4), (10, 20, 30, 255))) == [10, 20, 30]
    palette = Image.new("P", (4, 4), 2)
    palette.putpalette([0, 0, 0, 1, 1, 1, 200, 100, 50])
    assert read(palette) == [200, 100, 50]
    deep = np.full((4, 4), 0x8040, np.uint16)
    assert read(Image.fromarray(deep), "x.tif") == read(Image.fromarray(deep)) == [128, 128, 128]
    with pytest.raises(UnreadableImage, match="mode F"):
        read(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "x.tif")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_and_grey_masks_keep_their_labels_at_any_depth(tmp_path: Path, bits: int) -> None:
    labels = (np.arange(64).reshape(8, 8) % 2**bits).astype(np.uint8)
    palette = Image.fromarray(labels)
    palette.putpalette([v for i in range(2**bits) for v in (255 - i, i * 3 % 256, 40)])
    palette.save(tmp_path / "palette.png", bits=bits)
    assert (read_index_mask(tmp_path / "palette.png") == labels).all()

    # Pillow does not write grey of 2 and 4 bits: pack the rows by hand.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = np.packbits(np.unpackbits(labels[..., None], axis=2)[..., 8 - bits :].reshape(8, -1), axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", 8, 8, bits, 0, 0, 0, 0)
    (tmp_path / "grey.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    assert (read_index_mask(tmp_path / "grey.png") == labels).all()


def test_deep_masks(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    Image.fromarray(np.array([[0, 7], [255, 3]], np.uint16)).save(path)
    assert read_index_mask(path).tolist() == [[0, 7], [255, 3]]
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(path)
    with pytest.raises(UnreadableImage, match=r"0\.\.300 .* 0\.\.255"):
        read_index_mask(path)


def test_colour_masks_and_index_masks_are_not_confused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.new("RGBA", (3, 2), (0, 255, 255, 9)).save(path)
    assert read_color_mask(path).tolist() == [[[0, 255, 255]] * 3] * 2, "as stored, whatever the transparency"
    with pytest.raises(UnreadableImage, match=r"RGBA.*\n.*colors"):
        read_index_mask(path)


@pytest.mark.parametrize("kind", ["jpg", "webp", "tif"])
def test_lossy_masks_are_refused_unless_accepted(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"mask.{kind}"
    Image.new("L" if kind != "webp" else "RGB", (16, 16)).save(
        path, **({"compression": "jpeg"} if kind == "tif" else {})
    )
    with pytest.raises(UnreadableImage, match="invents labels"):
        read_color_mask(path)
    assert read_color_mask(path, lossy_ok=True).max() == 0
    if kind == "webp":
        Image.new("RGB", (16, 16)).save(path, lossless=True)
        assert read_color_mask(path).max() == 0
