"""What plugins rely on: the API's version, its recorded surface, and where a run's code came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from public_surface import RECORD, surface

from registry.catalog import provenance
from registry.catalog.policy import API_VERSION, refusal
from registry.catalog.registry import Registry, UnknownName
from registry.cli.commands.list import list_components
from registry.cli.commands.plugin import list_plugins
from registry.errors import InputError
from registry.recipe.request import Request, planned

Install = Callable[..., None]
SPEC = 'def net(*, width: int = 1) -> "object":\n    """A net.\n\n    Args:\n        width: w.\n    """\n'


def test_the_public_surface_is_the_recorded_one() -> None:
    recorded, now = RECORD.read_text(encoding="utf-8").splitlines(), surface()
    changed = [f"- {line}" for line in recorded if line not in now] + [
        f"+ {line}" for line in now if line not in recorded
    ]
    assert not changed, (
        "what plugins may use has changed:\n  "
        + "\n  ".join(changed)
        + "\nIf that is meant, 'python tests/public_surface.py' records it and says which API_VERSION it needs."
    )


def test_accepted_api_versions() -> None:
    major, minor = API_VERSION
    for declared in ([], [f"{major}"], [f"{major}.{minor}"], ["nonsense"], [f"{major + 1}.0", f"{major}.0"]):
        assert refusal("some", declared) is None
    newer = refusal("some", [f"{major}.{minor + 1}"])
    assert newer is not None and f"{major}.{minor + 1}" in newer.reason and f"{major}.{minor}" in newer.reason
    assert not newer.blocked and "update hw1cli" in newer.hint
    older = refusal("some", [f"{major - 1}.0"])
    assert older is not None and "a newer release of it" in older.hint
    assert refusal("hw1cli", ["99.0"]) is None


@pytest.fixture
def newer(install: Install, stranger: None) -> None:
    """A distribution that needs a newer API, with a name of its own and one that a working plugin has too."""
    names = {"backbones/novel": "novel:net", "backbones/stranger_net": "novel:net", "api/9.1": "registry:API_VERSION"}
    install("from-the-future", names, {"novel.py": f"raise SystemError('loaded')\n{SPEC}"})


def test_plugin_for_a_newer_api_is_not_offered(newer: None, recipe: Path) -> None:
    registry = Registry()
    assert registry.find("backbones", "stranger_net").distribution == "stranger-nets"
    with pytest.raises(UnknownName, match=r"from-the-future 0.3, which is written for plugin API 9.1.*has 1.0"):
        registry.find("backbones", "novel")
    broken = {row["name"]: row["broken"] for row in list_components("backbones", "n*", verify=True)}
    assert "9.1" in broken["novel"] and "1.0" in broken["novel"]
    assert "novel" not in {row["name"] for row in list_components("backbones", None, verify=False)}
    (row,) = (row for row in list_plugins(load=False) if row["distribution"] == "from-the-future")
    assert row["state"] == "incompatible" and row["api"] == ["9.1"] and row["components"]["backbones"]
    with pytest.raises(InputError, match=r"model.backbone: 'novel' is offered by from-the-future"):
        planned(Request(recipe, sets=["model.backbone=novel"]), Registry())


@pytest.mark.parametrize(
    ("variable", "value", "offered"),
    [
        ("HW1CLI_PLUGINS", "off", False),
        ("HW1CLI_PLUGINS", "on", True),
        ("HW1CLI_PLUGINS_DENY", "other, Stranger_*", False),
        ("HW1CLI_PLUGINS_DENY", "other", True),
        ("HW1CLI_PLUGINS_ALLOW", "other", False),
        ("HW1CLI_PLUGINS_ALLOW", "other,stranger-nets", True),
    ],
)
def test_environment_variables_block_plugins(
    variable: str, value: str, offered: bool, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    registry = Registry()
    assert registry.find("losses", "focal").distribution == "hw1cli"
    (row,) = (row for row in list_plugins(load=False) if row["distribution"] == "stranger-nets")
    assert row["state"] == ("offered" if offered else "blocked")
    if offered:
        assert registry.find("backbones", "stranger_net")
        return
    for name in ("stranger_net", "stranger-nets:stranger_net"):
        with pytest.raises(UnknownName) as caught:
            registry.find("backbones", name)
        assert "stranger-nets 0.3" in caught.value.message and variable in caught.value.message
        assert variable in str(caught.value.hint)


def test_broken_plugin_is_listed_with_its_reason(install: Install) -> None:
    install("crashing", {"backbones/crash": "crashing:net"}, {"crashing.py": "raise RuntimeError('boom')\n"})
    (row,) = (row for row in list_plugins() if row["distribution"] == "crashing")
    assert row["components"] == {"backbones": ["crash"]} and "boom" in row["broken"]["backbones/crash"]


def test_provenance_lists_what_changed(install: Install, stranger: None, site: Path, recipe: Path) -> None:
    info = site / "stranger_nets-0.3.dist-info"
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///src", "dir_info": {"editable": True}}))
    provenance.origin_of.cache_clear()
    before = planned(Request(recipe), Registry()).as_json()
    backbone = before["trainer"]["arguments"]["model"]["arguments"]["backbone"]["provenance"]
    assert backbone["entry_point"] == "hw1cli.backbones: stranger_net" and backbone["source"].startswith("blake2b:")
    assert backbone["origin"] == {"url": "file:///src", "commit": None, "editable": True}
    assert provenance.differences(before, planned(Request(recipe), Registry()).as_json()) == []

    (site / "stranger_net" / "net.py").write_text((site / "stranger_net" / "net.py").read_text() + "# changed\n")
    (changed,) = provenance.differences(before, planned(Request(recipe), Registry()).as_json())
    assert changed.startswith("trainer.model.backbone (stranger_net): the Python files") and "changed" in changed

    origin = {"url": "https://example.org/s", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    (info / "direct_url.json").write_text(json.dumps(origin))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-nets\nVersion: 0.4\n")
    provenance.origin_of.cache_clear()
    changes = " ".join(provenance.differences(before, planned(Request(recipe), Registry()).as_json()))
    assert "was stranger-nets 0.3, is stranger-nets 0.4" in changes and "https://example.org/s at abc" in changes
    provenance.origin_of.cache_clear()


def test_resuming_with_other_code_gives_a_caveat(stranger: None, site: Path, recipe: Path, tmp_path: Path) -> None:
    from registry.engine.records.origin import differences
    from registry.engine.records.run_folder import RunFolder

    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    folder.write_json("plan.json", planned(Request(recipe), Registry()).as_json())
    (site / "stranger_nets-0.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: stranger-nets\nVersion: 0.4\n"
    )
    (caveat,) = differences(planned(Request(recipe), Registry()), folder)
    assert "stranger-nets 0.3" in caveat and "0.4" in caveat
