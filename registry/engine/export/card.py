"""The model card that lies beside an exported file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..train.saved_run import SavedRun


def contract(card: Mapping[str, Any]) -> str:
    """What the file takes and gives, in a sentence."""
    height, width = ("H", "W") if card["any_size"] else card["size"]
    channels = card["facts"].get("in_channels", 3)
    size = f"{height}, {width}"
    count = len(card["classes"])
    if card["kind"] == "masks":
        gives = f"probabilities (B, {count}, {size}) float32 and mask (B, {size}) uint8, the class of each pixel"
    elif card["kind"] == "multilabel":
        gives = (
            f"probabilities (B, {count}) float32, each from 0 to 1, and labels (B, {count}) bool, which of them are "
        )
        gives += f"{card['threshold']:g} or more"
    else:
        gives = f"probabilities (B, {count}) float32 and label (B,) int64"
    return f"images (B, {size}, {channels}) uint8 RGB, upright, as in their files -> {gives}"


def model_card(card: Mapping[str, Any], saved: SavedRun, out: Path) -> str:
    """The card, in Hugging Face's form."""
    from huggingface_hub import ModelCard, ModelCardData

    plan, folder, several = card["plan"], saved.folder.path, card["kind"] == "multilabel"
    summary = json.loads((folder / "summary.json").read_text()) if (folder / "summary.json").is_file() else {}
    task = "image-segmentation" if card["kind"] == "masks" else "image-classification"
    data = ModelCardData(library_name="hw1cli", pipeline_tag=task, tags=[card["format"], plan["trainer"]["use"]])
    lines = [f"# {out.stem}", "", f"A model that hw1cli {card['hw1cli']} has trained and exported."]
    if plan.get("make") or saved.plan.demo:
        lines += ["", "**It has learned from generated data (a demo).**"]
    lines += ["", "## Input and output", "", contract(card) + "."]
    inside = "sigmoid, so that an image may have several classes or none," if several else "softmax"
    lines += [
        f"Resizing, normalisation and {inside} are inside. The script lays a transparent image over white and keeps "
        "the upper 8 of 16 bits, as the training did; do so elsewhere, too."
    ]
    if several:
        lines += [f"The threshold of every class is {card['threshold']:g}; other ones need the probabilities alone."]
    if card["tile"]:
        height, width = card["tile"]
        lines += [
            f"The file predicts an image whole. One larger than {width}x{height}, the training's size, is better cut "
            f"into tiles of that size that overlap by {card['overlap']:.0%}, as the script and `hw1cli predict` do."
        ]
    lines += ["", f"`{out.stem}_example.py` predicts an image file.", "", "## Classes", ""]
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
