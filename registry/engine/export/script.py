"""The script beside an exported file: it predicts an image as ``hw1cli predict`` does, without hw1cli."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .card import contract

_HEAD: Final = '''"""{title}: {contract}"""

import json
import sys

import numpy as np
import {library}
from PIL import Image, ImageOps

{opened}

def read(path):
    """uint8 (H, W, 3): upright, over white where it is transparent, of 16 bits the upper 8, as in the training."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


'''
_ONNX: Final = """session = onnxruntime.InferenceSession("{file}")
known = session.get_modelmeta().custom_metadata_map
classes = json.loads(known["classes"])


def predict(images):
    return session.run(None, {{"images": images}})
"""
_PT2: Final = """extra = {{"hw1cli.json": ""}}
model = torch.export.load("{file}", extra_files=extra).module(check_guards=False)
known = json.loads(extra["hw1cli.json"])
classes = known["classes"]


def predict(images):
    with torch.no_grad():
        return [found.numpy() for found in model(torch.from_numpy(images))]
"""
_LABEL: Final = """probabilities, label = predict(read(sys.argv[1])[None])
print(classes[label[0]], round(float(probabilities[0].max()), 4))
"""
_LABELS: Final = """probabilities, labels = predict(read(sys.argv[1])[None])
print(";".join(name for name, has in zip(classes, labels[0]) if has))
print({name: round(float(share), 4) for name, share in zip(classes, probabilities[0])})
"""
_MASK: Final = '''def tiles(size, tile):
    """Overlapping parts of an axis that is longer than in the training, and their weights."""
    if size <= tile:
        return [(slice(0, size), np.ones(size))]
    count = 1 - (tile - size) // int(tile * {step})
    starts = [round(number * (size - tile) / (count - 1)) for number in range(count)]
    bell = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(tile) + 0.5) / tile)
    return [(slice(start, start + tile), bell) for start in starts]


image = read(sys.argv[1])
height, width = image.shape[:2]
probabilities = np.zeros((len(classes), height, width), np.float32)
total = np.zeros((height, width))
for rows, down in tiles(height, {height}):
    for columns, across in tiles(width, {width}):
        weights = down[:, None] * across
        probabilities[:, rows, columns] += predict(image[None, rows, columns])[0][0] * weights
        total[rows, columns] += weights
probabilities /= total  # (classes, H, W)
mask = probabilities.argmax(0).astype(np.uint8)
Image.fromarray(mask).save(sys.argv[2])  # grey: the number of a pixel's class
print({{name: round(float((mask == number).mean()), 4) for number, name in enumerate(classes)}})
'''
_SAFETENSORS: Final = '''"""{title}: weights alone; hw1cli builds the network that they belong to."""

import sys

import hw1cli

prediction = hw1cli.load("{file}").predict(sys.argv[1])
'''
_SHOWN: Final = {
    "masks": "prediction.save(sys.argv[2])\n",
    "labels": "print(prediction.label)\n",
    "multilabel": 'print(";".join(prediction.labels))\n',
}


def script_of(card: Mapping[str, Any], out: Path) -> str:
    """The script: image in, labels or mask out."""
    words = {"title": out.stem, "contract": contract(card), "file": out.name}
    if card["format"] == "safetensors":
        return _SAFETENSORS.format(**words) + _SHOWN[card["kind"]]
    library, opened = {"onnx": ("onnxruntime", _ONNX), "pt2": ("torch", _PT2)}[card["format"]]
    head = _HEAD.format(**words, library=library, opened=opened.format(**words))
    if card["kind"] != "masks":
        return head + {"labels": _LABEL, "multilabel": _LABELS}[card["kind"]]
    # Without tiles an image of any size is one of them.
    height, width = card["tile"] or ("height", "width")
    return head + _MASK.format(step=1 - card["overlap"], height=height, width=width)
