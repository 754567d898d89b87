"""What lies beside an exported file: a model card, and a script of a few lines that uses the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..train.saved_run import SavedRun

_ONNX: Final = '''"""{title}: {contract}"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("{file}")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
probabilities, {result} = session.run(None, {{"images": np.asarray(image)[None]}})
'''
_PT2: Final = '''"""{title}: {contract}"""

import json
import sys

import numpy as np
import torch
from PIL import Image, ImageOps

extra = {{"hw1cli.json": ""}}
model = torch.export.load("{file}", extra_files=extra).module(check_guards=False)
classes = json.loads(extra["hw1cli.json"])["classes"]
image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
with torch.no_grad():
    probabilities, {result} = (found.numpy() for found in model(torch.from_numpy(np.array(image))[None]))
'''
_SAFETENSORS: Final = '''"""{title}: weights alone; hw1cli builds the network that they belong to."""

import sys

import hw1cli

prediction = hw1cli.load("{file}").predict(sys.argv[1])
probabilities, classes = prediction.probabilities, prediction.classes
{result} = [prediction.{attribute}]
'''
_MASK: Final = """Image.fromarray(mask[0]).save(sys.argv[2])  # grey: the number of a pixel's class
print({name: round(float((mask == number).mean()), 4) for number, name in enumerate(classes)})
"""
_LABEL: Final = """print(classes[label[0]], round(float(probabilities[0].max()), 4))
"""


def contract(card: Mapping[str, Any]) -> str:
    """What the file takes and gives, in a sentence."""
    height, width = ("H", "W") if card["any_size"] else card["size"]
    channels = card["facts"].get("in_channels", 3)
    size = f"{height}, {width}"
    count = len(card["classes"])
    if card["kind"] == "masks":
        gives = f"probabilities (B, {count}, {size}) float32 and mask (B, {size}) uint8, the class of each pixel"
    else:
        gives = f"probabilities (B, {count}) float32 and label (B,) int64"
    return f"images (B, {size}, {channels}) uint8 RGB, upright, as in their files -> {gives}"


def consumer(card: Mapping[str, Any], out: Path) -> str:
    """The script: image in, label or mask out."""
    masks = card["kind"] == "masks"
    template = {"onnx": _ONNX, "pt2": _PT2, "safetensors": _SAFETENSORS}[card["format"]]
    words = {"title": out.stem, "contract": contract(card), "file": out.name}
    body = template.format(**words, result="mask" if masks else "label", attribute="mask" if masks else "index")
    if card["format"] == "safetensors":
        tail = "prediction.save(sys.argv[2])\n" if masks else "print(prediction.label)\n"
        return body.rpartition("probabilities, classes")[0] + tail
    return body + (_MASK if masks else _LABEL)


def model_card(card: Mapping[str, Any], saved: SavedRun, out: Path) -> str:
    """The card, in Hugging Face's form."""
    from huggingface_hub import ModelCard, ModelCardData

    plan, folder = card["plan"], saved.folder.path
    summary = json.loads((folder / "summary.json").read_text()) if (folder / "summary.json").is_file() else {}
    task = "image-segmentation" if card["kind"] == "masks" else "image-classification"
    data = ModelCardData(library_name="hw1cli", pipeline_tag=task, tags=[card["format"], plan["trainer"]["use"]])
    lines = [f"# {out.stem}", "", f"A model that hw1cli {card['hw1cli']} has trained and exported."]
    if plan.get("make") or saved.plan.demo:
        lines += ["", "**It has learned from generated data (a demo).**"]
    lines += ["", "## Input and output", "", contract(card) + "."]
    lines += [
        "Resizing, normalisation and softmax are inside. Lay a transparent image over white first, as the training did."
    ]
    if card["kind"] == "masks":
        lines += ["An image is predicted whole; `hw1cli predict` cuts one larger than in the training into tiles."]
    lines += ["", f"`{out.stem}_example.py` uses the file.", "", "## Classes", ""]
    lines += [f"{number}. {name}" for number, name in enumerate(card["classes"])]
    lines += ["", "## Training", "", "| | |", "|---|---|", f"| epoch | {card['epoch']} |"]
    for part in ("trainer", "data", "optimizer", "schedule"):
        lines.append(f"| {part} | {_brief(plan[part])} |")
    lines += [f"| seed | {plan['seed']} |", "", "## Scores of the evaluation split", ""]
    scores = dict(summary.get("best") or summary.get("last") or {})
    scores.pop("train_loss", None)
    lines += ["| score | value |", "|---|---|", *(f"| {name} | {value:.4f} |" for name, value in scores.items())]
    for caveat in summary.get("caveats", []):
        lines.append(f"\n- {caveat}")
    lines += ["", "## Verified", ""]
    lines += [
        f"On images of its data, in two sizes of batch{' and of image' * card['any_size']}, each probability is within "
        f"{card['difference']:.2g} of the trained model's in fp32 (limit {card['tolerance']:g})."
        + (" The file computes in half precision." if card["half"] else "")
    ]
    text = f"---\n{data.to_yaml()}\n---\n" + "\n".join(lines) + "\n"
    return str(ModelCard(text))  # which refuses a card that the hub would not take


def _brief(part: Mapping[str, Any]) -> str:
    """A component and its simple arguments, nested ones by name, for a cell of a table."""

    def text(value: Any) -> str:
        if isinstance(value, Mapping):
            inside = value.get("arguments", {}).get("backbone")
            return str(value.get("use")) + (f" with {text(inside)}" if isinstance(inside, Mapping) else "")
        return f"[{', '.join(map(text, value))}]" if isinstance(value, list) else str(value)

    given = {name: value for name, value in part["arguments"].items() if value is not None and name != "root"}
    arguments = ", ".join(f"{name} {text(value)}" for name, value in given.items())
    owner = f"{part['distribution']} {part['version']}"
    return f"`{part['use']}` ({owner}){': ' + arguments if arguments else ''}".replace("|", r"\|")
