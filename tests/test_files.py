"""Files are written whole or not at all, and JSON that every reader accepts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from registry import files


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    files.write_text(path, "old\n")
    with pytest.raises(RuntimeError), files.atomic_write(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old\n" and [*tmp_path.iterdir()] == [path]


def test_the_new_content_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    with files.atomic_write(path, "wb") as file:
        file.write(b"\x00\r\n")
        assert not path.exists()
    assert path.read_bytes() == b"\x00\r\n"


def test_a_failed_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.atomic_folder(tmp_path / "data") as partial:
        partial.mkdir()
        raise RuntimeError
    assert not [*tmp_path.iterdir()]


def test_json_holds_null_where_a_number_is_not_finite(tmp_path: Path) -> None:
    files.write_json(tmp_path / "summary.json", {"loss": math.nan, "rates": (math.inf, 0.5), "path": tmp_path})

    def refuse(constant: str) -> float:
        raise ValueError(constant)

    read = json.loads((tmp_path / "summary.json").read_text(), parse_constant=refuse)
    assert read == {"loss": None, "rates": [None, 0.5], "path": str(tmp_path)}
