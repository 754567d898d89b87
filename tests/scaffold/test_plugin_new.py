"""What ``plugin new`` writes works as it stands, for every kind and for a user's own class."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from registry.catalog.kinds import KINDS
from registry.catalog.registry import Registry
from registry.errors import InputError
from registry.recipe.request import Request, every_problem
from registry.scaffold.new import new_plugin
from registry.testing import Inconclusive, checks

MINE = '''
import torch
from torch import nn
from parts import block

class Classifier(nn.Module):
    """Mine.

    Args:
        width: channels at the start.
    """

    def __init__(self, n_classes, width=8, rates=[0.1, 0.2], norm: str | None = None, act=nn.ReLU):
        super().__init__()
        self.one, self.two = block(3, width), block(width, 2 * width)
        self.pool, self.act = nn.MaxPool2d(2), act()
        self.head = nn.Linear(2 * width * 16, n_classes)
        rates.append(0.3)

    def forward(self, x):
        x = self.pool(self.act(self.one(x)))
        x = nn.functional.adaptive_avg_pool2d(self.pool(self.act(self.two(x))), 4)
        return self.head(x.flatten(1))


class Maps(nn.Module):
    def __init__(self, in_chans: int = 3):
        super().__init__()
        self.channels, self.strides = (4,), (2,)
        self.one = nn.Conv2d(in_chans, 4, 3, 2, 1)

    def forward(self, x):
        return [self.one(x)]


class Untyped(nn.Module):
    def __init__(self, width: int, cfg):
        super().__init__()

    def forward(self, x):
        return x


class Needs(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()

    def forward(self, x):
        return x
'''
PARTS = "from torch import nn\n\ndef block(i, o):\n    return nn.Conv2d(i, o, 3, padding=1)\n"


def installed(folder: Path, site: Path) -> str:
    """What 'pip install -e' leaves behind, without pip."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    groups = [
        f"[{group}]\n" + "\n".join(f"{name} = {target}" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups))
    for package in (folder / "src").iterdir():
        shutil.copytree(package, site / package.name)
    return str(project["name"])


def carry_out(name: str, *, run: bool, skipped: int = 0) -> None:
    inconclusive = []
    for check in checks(name, run=run):
        try:
            check()
        except Inconclusive as reason:
            inconclusive.append(f"{check}: {reason}")
    assert len(inconclusive) == skipped, inconclusive


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_ready_to_use(kind: str, site: Path, tmp_path: Path) -> None:
    singular = KINDS[kind].singular
    written = new_plugin(f"fresh-{singular}", singular, out=tmp_path / "fresh")
    package = tmp_path / "fresh" / "src" / f"fresh_{singular}"
    assert (package / "py.typed").exists() and (tmp_path / "fresh" / "tests" / "test_conforms.py").exists()
    for file in written["files"]:
        text = (tmp_path / "fresh" / file).read_text()
        assert "$" not in text and max(map(len, text.splitlines()), default=0) <= 600
    name = installed(tmp_path / "fresh", site)
    # Trainers and reports are tried by a training; their own tests do that.
    carry_out(name, run=kind not in ("trainers", "reports"))
    assert not every_problem(Request(tmp_path / "fresh" / "recipes" / f"fresh_{singular}.yaml"), Registry())


def test_written_plugins_pass_ruff(tmp_path: Path) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for kind in KINDS.values():
        new_plugin(f"fresh-{kind.singular}", kind.name, out=tmp_path / kind.singular)
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *words, "--no-cache", tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_users_own_classifier(site: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MINE + "\nraise SystemExit('it is read, not run')\n")
    (tmp_path / "parts.py").write_text(PARTS)
    written = new_plugin("mine", "model", source=f"{tmp_path / 'net.py'}:Classifier", out=tmp_path / "mine")
    assert any("act is left out" in note for note in written["notes"])
    assert "from .parts import block" in (tmp_path / "mine/src/mine/net.py").read_text()
    (tmp_path / "mine/src/mine/net.py").write_text(MINE.replace("from parts", "from .parts"))
    carry_out(installed(tmp_path / "mine", site), run=True, skipped=1)  # it has no features(), which pca needs
    assert "pca" not in (tmp_path / "mine/recipes/mine.yaml").read_text()
    spec = Registry().find("models", "mine").spec()
    found = {p.name: (p.default, p.supplied, p.doc) for p in spec.parameters if p.name not in spec.reserved}
    assert found["num_classes"][1] and found["width"] == (8, False, "channels at the start.")
    assert (
        found["rates"][0] == [0.1, 0.2]
        and found["norm"][0] is None
        and set(found) == {*("num_classes", "width", "rates", "norm")}
    )


def test_a_users_classifier_becomes_a_backbone(site: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MINE)
    (tmp_path / "parts.py").write_text(PARTS)
    written = new_plugin("inside", "backbone", source=f"{tmp_path / 'net.py'}:Classifier", out=tmp_path / "inside")
    assert any("as_backbone finds the maps" in note for note in written["notes"])
    carry_out(installed(tmp_path / "inside", site), run=True, skipped=1)  # it takes no in_channels
    backbone = Registry().find("backbones", "inside").spec()(num_classes=3)
    assert (backbone.strides, backbone.channels) == ((1, 2, 4), (8, 16, 16))
    assert not backbone.net.head.weight.requires_grad and backbone.net.one.weight.requires_grad
    # One that keeps the contract is used as it is.
    new_plugin("maps", "backbone", source=f"{tmp_path / 'net.py'}:Maps", out=tmp_path / "maps")
    carry_out(installed(tmp_path / "maps", site), run=True)


def test_wrong_names_and_classes_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MINE)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    source = f"{tmp_path / 'net.py'}"
    for words, options, message, hint in (
        (("taken", "backbone"), {}, "exists already", "--out"),
        (("torch", "backbone"), {}, "one would hide the other", "my-torch"),
        (("json", "backbone"), {}, "Python itself", "my-json"),
        (("focal", "loss"), {}, "offers a loss 'focal' already", "my-focal"),
        (("ce", "loss"), {}, "'ce' already", "my-ce"),
        (("1st", "loss"), {}, "cannot be imported", "my-1st"),
        (("my net!", "loss"), {}, "not a name for a package", "my-net"),
        (("x-net", "backbon"), {}, "there is no kind", "backbone"),
        (("x-net", "report"), {"source": f"{source}:Maps"}, "cannot be combined with", "backbone"),
        (("x-net", "model"), {"source": f"{source}:Map"}, "no class 'Map'", "Maps"),
        (("x-net", "model"), {"source": f"{source}:Needs"}, "inner: nn.Module", "default"),
        (("x-net", "model"), {"source": f"{source}:Untyped"}, "'cfg' of Untyped has no type", "cfg: int"),
        (("x-net", "model"), {"source": "net.py"}, "is not FILE:CLASS", "net.py:MyNet"),
    ):
        with pytest.raises(InputError) as caught:
            new_plugin(*words, **dict[str, Any](options))
        assert message in str(caught.value) and hint in str(caught.value.problems[0].hint)
    with pytest.raises(InputError, match=rf"{source}:\d+: ") as caught:
        new_plugin("x-net", "model", source=f"{source}:Untyped")
    line = int(str(caught.value).split(":")[1])
    assert "cfg" in MINE.splitlines()[line - 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.py", "taken"]


def test_pip_installs_it_and_the_recipe_trains(tmp_path: Path, hw1cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setuptools", minversion="69")
    new_plugin("pip-net", "backbone", out=tmp_path / "pip-net")
    target = tmp_path / "target"
    words = [
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        target,
        tmp_path / "pip-net",
    ]
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PYTHONPATH", str(target))
    listed = json.loads(hw1cli("list", "backbones", "pip_net", "--json").stdout)
    assert [(row["name"], row["distribution"]) for row in listed] == [("pip_net", "pip-net")]
    recipe = tmp_path / "pip-net" / "recipes" / "pip_net.yaml"
    quick = ("trainer.epochs=1", "make.digits=[0, 1]", "reports=[]", "runtime.workers=0")
    sets = [word for each in quick for word in ("--set", each)]
    done = hw1cli("run", recipe, "--demo", *sets, "--set", "make.use=digits", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    backbone = plan["trainer"]["arguments"]["model"]["arguments"]["backbone"]
    assert backbone["provenance"]["entry_point"] == "hw1cli.backbones: pip_net"
    assert backbone["provenance"]["origin"]["url"].endswith("pip-net") and backbone["provenance"]["source"] is None
