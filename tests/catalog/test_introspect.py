"""Signatures read from source text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from registry.catalog import introspect

PROGRAM = """
import sys
from registry.catalog import introspect
folder = introspect.locate("albumentations").parent
classes = introspect.classes_below(folder, "albumentations")
print(len(introspect.parameters_of("Affine", classes)))
assert not {"cv2", "numpy", "albumentations"} & set(sys.modules)
"""


def test_reading_signatures_imports_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def test_constants_match_their_libraries(tmp_path: Path) -> None:
    import cv2

    names = [name.partition(".")[2] for name in introspect._CONSTANTS if name.startswith("cv2.")]
    arguments = ", ".join(f"{name}=cv2.{name}" for name in names)
    source = f"class One:\n    def __init__(self, {arguments}, angle=2 * np.pi, other=cv2.NONE): ...\n"
    (tmp_path / "one.py").write_text(source)
    found = introspect.parameters_of("One", introspect.classes_below(tmp_path, "one"))
    values = {parameter.name: parameter.default for parameter in found}
    assert [values[name] for name in names] == [getattr(cv2, name) for name in names]
    assert values["angle"] == 6.283185307179586 and isinstance(values["other"], introspect.Unread)
