"""Label tables: one list of accepted column names for data sets, ``predict`` and ``evaluate``."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from plugins.folders.csv_labels import CsvLabels
from registry.engine.data.labels import IMAGE_COLUMNS, LABEL_COLUMNS, read_labels
from registry.engine.predict.inputs import Settings, find
from registry.errors import InputError


@pytest.mark.parametrize("image", IMAGE_COLUMNS)
@pytest.mark.parametrize("label", LABEL_COLUMNS)
def test_training_prediction_and_evaluation_accept_the_same_columns(tmp_path: Path, image: str, label: str) -> None:
    (tmp_path / "train").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "train" / "a.png")
    table = tmp_path / "train.csv"
    table.write_text(f"note, {image.upper()} ,{label}\nx,a.png,cat\n", encoding="utf-8-sig")
    assert CsvLabels(tmp_path, val=None).facts["class_names"] == ["cat"]
    assert {name: row.label for name, row in read_labels(table).items()} == {"a.png": "cat"}
    found = find(Settings(inputs=[str(table)], images=tmp_path / "train", out=tmp_path / "out"))
    assert [image.name for image in found.images] == ["a.png"]


def test_every_reader_names_the_accepted_columns_and_those_present(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    table = tmp_path / "train.csv"
    table.write_text("a,b\n1,2\n")
    readers = (
        lambda: CsvLabels(tmp_path, val=None),
        lambda: read_labels(table),
        lambda: find(Settings(inputs=[str(table)], out=tmp_path / "out")),
    )
    for read in readers:
        with pytest.raises(InputError, match=r"no column named filename or image_id or .*(.|\n)*its columns are a, b"):
            read()


def test_an_image_twice_and_a_row_without_label_are_reported_with_their_lines(tmp_path: Path) -> None:
    table = tmp_path / "p.csv"
    table.write_text("filename,label,score\na,x,0.5\n\na,y,\nb,,\n")
    with pytest.raises(InputError) as caught:
        read_labels(table)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (4, "a is listed twice"),
        (5, "the row has no image name or no label"),
    ]
