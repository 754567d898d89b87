"""The JSON schema of recipes: what is right validates, what is wrong does not, and the one in recipes/ is of today."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from conftest import ROOT
from jsonschema import Draft7Validator

from registry.cli.commands.schema import schema_text
from registry.recipe.yaml import parse

RENEW = "renew it: hw1cli schema --of hw1cli --out recipes/schema.json"
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


def data_of(text: str) -> Any:
    root, problems = parse(dedent(text), None)
    assert root is not None and not problems
    return root.plain()


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    """The schema with every name of every zoo."""
    text, broken = schema_text(zoos=True)
    assert not broken and len(text) < 1_500_000
    return json.loads(text)


@pytest.fixture(scope="module")
def validator(everything: dict[str, Any]) -> Draft7Validator:
    Draft7Validator.check_schema(everything)
    return Draft7Validator(everything)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_validates_and_names_the_schema(path: Path, validator: Draft7Validator) -> None:
    text = path.read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert [error.message for error in validator.iter_errors(data_of(text))] == []


GOOD = """\
trainer: {use: segmentation, epochs: 2}
data: {use: landcover, root: .}
model: {use: smp/unet, backbone: {use: timm/resnet18, pretrained: false}}
loss: focal
optimizer: {lr: 1e-3}
augment: {train: [albumentations/HorizontalFlip, {use: one_of, transforms: [albumentations/RandomRotate90]}]}
"""
OTHERS = [
    "trainer: byol\ndata: {use: images, root: x}\nbackbone: resnet18\nprobe: null\n",
    GOOD.replace("epochs: 2", 'epochs: "${seed}"'),
    GOOD.replace("loss: focal", 'loss: {use: weighted_sum, losses: [ce, "hw1cli:focal", {use: smp/dice}]}'),
    GOOD.replace("timm/resnet18", "timm/resnet50.a1_in1k"),
    "extends: [a.yaml, b.yaml]\nmodel: {backbone: {pretrained: true}}\nloss: {gamma: 3}\n",
    GOOD + "split: null\nreports: null\nruntime: null\nseed: null\nmatrix: null\n",
    GOOD + "matrix: {optimizer.lr: [1, 2]}\nrepeat: 3\nruns: {a: null, b: {loss: {alpha: 0.5}, repeat: 2}}\n",
    GOOD + "demo: {make: {use: landcover, size: 64}, model: {backbone: {use: resnet18}}, trainer: {epochs: 1}}\n",
    GOOD.replace("lr: 1e-3", "lr: {search: log, low: 1, high: 2}").replace(
        "loss: focal", "loss: {search: choice, of: [ce]}"
    )
    + "sweep: {trials: 5, pruner: halving}\n",
    GOOD + "runtime: {workers: auto, device: cuda}\nsplit: {val: 0.2}\nreports: [{use: pca, at: [1, '50%']}]\n",
]


@pytest.mark.parametrize("text", [GOOD, *OTHERS])
def test_valid_recipes_pass_the_schema(text: str, validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(data_of(text))] == []


def test_no_default_is_source_text(everything: dict[str, Any]) -> None:
    """A library's default that only the library can evaluate is left out: a recipe could not write it."""
    assert not re.search(r'"default": "\w+\.[A-Z_]+"', json.dumps(everything))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loss: focal", "loss: {gamma: 2}"),  # which loss?
        ("loss: focal", "loss: {use: focal, gamma: -1}"),  # out of range
        ("loss: focal", 'loss: {use: focal, gamma: "2.0"}'),  # text for a number
        ("loss: focal", "loss: {use: focal, gama: 2}"),  # no such argument
        ("loss: focal", "loss: fokal"),  # no such name
        ("loss: focal", ""),  # a section that the trainer needs
        ("loss: focal", "loss: focal\nlos: 3"),  # no such section
        ("loss: focal", "loss: focal\nviews: []"),  # a section of other trainers
        ("epochs: 2", "epochs: 0"),
        ("epochs: 2", "epochs: many"),
        ("epochs: 2", "hidden_dim: 4"),  # an argument of other trainers
        ("use: segmentation", "use: segmentatoin"),
        ("smp/unet", "smp/unett"),
        ("timm/resnet18", "timm/resnet81"),
        ("pretrained: false", "pretrianed: false"),
        ("lr: 1e-3", "lr: 0"),
        ("lr: 1e-3", "use: sgd, betas: [0.9, 0.9]"),
        ("albumentations/HorizontalFlip", "albumentations/HorizontalFlipp"),
        ("albumentations/HorizontalFlip", "{use: albumentations/RandomCrop, height: 8}"),  # without its width
        ("albumentations/RandomRotate90", "focal"),  # a loss inside one_of
        ("train: [", "trian: ["),
        ("loss: focal", "loss: focal\ndemo: {loss: {gama: 3}}"),
        ("loss: focal", "loss: focal\ndemo: {trainer: {epochz: 1}}"),
        ("loss: focal", "loss: focal\nruns: {a: {los: focal}}"),
        ("loss: focal", "loss: focal\nmatrix: {loss.gamma: 3}"),
        ("loss: focal", "loss: focal\nruntime: {device: gpu}"),
        ("loss: focal", "loss: focal\nschedule: {use: step}"),  # without its times
    ],
)
def test_invalid_recipes_fail_the_schema(old: str, new: str, validator: Draft7Validator) -> None:
    assert old in GOOD
    assert not validator.is_valid(data_of(GOOD.replace(old, new)))


def test_committed_schema_is_up_to_date() -> None:
    """But for the members of zoos, which follow their libraries' versions."""
    path = ROOT / "recipes" / "schema.json"
    fresh, kept = json.loads(schema_text(distributions=["hw1cli"])[0]), json.loads(path.read_text())
    assert path.stat().st_size < 600_000
    assert _without_zoos(fresh) == _without_zoos(kept), RENEW
    assert "timm/" in json.dumps(kept) and "timm/resnet18" not in path.read_text()


_ZOOS = ("albumentations", "smp", "timm", "torch", "torchmetrics")


def _without_zoos(schema: dict[str, Any]) -> dict[str, Any]:
    """What the plugins define: no definition of a zoo's member, and nothing that lists or collects these."""
    definitions = {
        key: value
        for key, value in schema["definitions"].items()
        if not any(f".{zoo}" in f".{key}" for zoo in _ZOOS)
        and key.removeprefix("changed.").removesuffix(".names")
        not in ("backbones", "models", "losses", "augmentations")
    }
    return {**schema, "definitions": definitions}


def test_third_party_and_broken_components_in_the_schema(stranger, install, tmp_path: Path, hw1cli) -> None:
    install("crasher", {"losses/crashy": "crasher:loss"}, {"crasher.py": "raise RuntimeError('boom')\n"})
    out = tmp_path / "schema.json"
    answer = hw1cli("schema", "--out", out)
    assert answer.returncode == 0 and "boom" in answer.stderr
    validator = Draft7Validator(json.loads(out.read_text()))
    text = GOOD.replace("{use: timm/resnet18, pretrained: false}", "{use: stranger_net, width: 3}")
    assert validator.is_valid(data_of(text))
    assert validator.is_valid(data_of(text.replace("focal", "{use: crashy, anything: 1}")))
    assert not validator.is_valid(data_of(text.replace("width", "widht")))
    assert hw1cli("schema", "--of", "stranger-net").returncode == 2  # it is called stranger-nets
