"""The registry: names from entry points, and third-party plugins, working and broken."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from registry.catalog.registry import Registry, UnknownName
from registry.errors import PluginError

HOSTILE = {
    "crash.py": "raise RuntimeError('boom at import')\n",
    "leaves.py": "import sys; sys.exit(7)\n",
    "prints.py": '''
        print("hello from a plugin")
        def noisy(*, width: int = 1) -> "object":
            """Prints."""
        ''',
    "wrong.py": """
        def positional(width: int = 1): ...
        def unannotated(*, width=1): ...
        def kwargs(**kwargs): ...
        def unknown_fact(*, num_klasses: "FromData[int]"): ...
        from registry import FromData
        def asks(*, num_klasses: FromData[int]): ...
        number = 3
        """,
}


@pytest.fixture
def hostile(install: Callable[..., None]) -> None:
    """A distribution in which everything is wrong."""
    names = {
        "backbones/crash": "crash:net",
        "backbones/leaves": "leaves:net",
        "backbones/missing": "not_in_the_wheel:net",
        "losses/noisy": "prints:noisy",
        "models/gone": "prints:gone",
        "models/timm/*": "crash:zoo",
        "backbones/hostile/*": "wrong:number",
        **{f"augmentations/{n}": f"wrong:{n}" for n in ("positional", "unannotated", "kwargs", "asks", "number")},
    }
    install("hostile-zoo", names, HOSTILE)


def test_third_party_component_is_found_under_both_names(stranger: None) -> None:
    registry = Registry()
    component = registry.find("backbones", "stranger_net")
    assert (component.distribution, component.version) == ("stranger-nets", "0.3")
    assert registry.find("backbones", "stranger-nets:stranger_net") == component
    assert component.summary == "A stranger's small network."
    parameter = component.spec().parameters[0]
    assert (parameter.name, parameter.type, parameter.default, parameter.doc) == (
        "width",
        int,
        8,
        "channels of the first map.",
    )


def test_name_of_two_distributions_is_ambiguous_unless_qualified(stranger: None, install) -> None:
    install("twin", {"backbones/stranger_net": "twin_net:net"}, {"twin_net.py": "def net(*, depth: int = 1): ...\n"})
    registry = Registry()
    with pytest.raises(UnknownName) as caught:
        registry.find("backbones", "stranger_net")
    assert "stranger-nets and by twin" in caught.value.message and "'twin:stranger_net'" in str(caught.value.hint)
    assert registry.find("backbones", "twin:stranger_net").spec().parameters[0].name == "depth"
    assert registry.find("models", "smp/unet").distribution == "hw1cli"


def test_the_same_target_twice_is_harmless(stranger: None, install) -> None:
    install("copy", {"backbones/stranger_net": "stranger_net.specs:stranger_net"})
    assert Registry().find("backbones", "stranger_net").target == "stranger_net.specs:stranger_net"


def test_aliases_and_suggestions() -> None:
    registry = Registry()
    assert registry.find("losses", "ce").name == "cross_entropy"
    with pytest.raises(UnknownName) as caught:
        registry.find("models", "smp/deeplabv33")
    assert "smp/deeplabv3" in str(caught.value.hint)
    with pytest.raises(UnknownName, match="no installed plugin offers a backbone"):
        registry.find("backbones", "timm/resnot50")


def test_broken_plugins_are_listed_with_their_reasons_and_affect_no_others(hostile: None, hw1cli) -> None:
    answer = hw1cli("list", "--verify", "--json")
    assert answer.returncode == 0
    rows = json.loads(answer.stdout)  # what a plugin prints does not spoil it
    broken = {f"{row['kind']}/{row['name']}": row["broken"] for row in rows if row["distribution"] == "hostile-zoo"}
    assert "boom at import" in broken["backbones/crash"] and "SystemExit" in broken["backbones/leaves"]
    assert "not_in_the_wheel" in broken["backbones/missing"]
    assert "prints" in broken["losses/noisy"] and "hello from a plugin" in broken["losses/noisy"]
    assert "gone" in broken["models/gone"] and "boom" in broken["models/timm/*"]
    assert "not a Zoo" in broken["backbones/hostile/*"]
    assert "keyword-only" in broken["augmentations/positional"] and "keyword-only" in broken["augmentations/kwargs"]
    assert "no type annotation" in broken["augmentations/unannotated"]
    assert "num_klasses" in broken["augmentations/asks"] and "not a function" in broken["augmentations/number"]
    assert all(row["broken"] is None for row in rows if row["distribution"] == "hw1cli")
    assert {"kind", "name", "distribution", "version", "target", "summary", "broken"} == set(rows[0])
    assert hw1cli("describe", "focal").returncode == 0
    assert hw1cli("describe", "timm/resnet18").returncode == 0
    assert json.loads(hw1cli("list", "--json").stdout)
    assert hw1cli("list", "backbones", "resnet18").returncode == 0


def test_broken_plugin_fails_the_recipe_that_names_it(hostile: None, hw1cli, recipe) -> None:
    assert hw1cli("check", recipe, "--set", "model.backbone=timm/resnet18").returncode == 0
    answer = hw1cli("check", recipe, "--set", "model.backbone=crash")
    assert answer.returncode == 3
    assert "hostile-zoo 0.3" in answer.stderr and "boom at import" in answer.stderr and "Traceback" not in answer.stderr


def test_working_zoo_beside_a_broken_one_of_the_same_prefix(hostile: None) -> None:
    assert Registry().find("models", "timm/resnet18").distribution == "hw1cli"
    with pytest.raises(PluginError, match="not a Zoo"):
        Registry().find("backbones", "hostile/x")


def test_unreadable_metadata_affects_no_other_plugin(site, hw1cli) -> None:
    folder = site / "corrupt-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: corrupt\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_bytes(b"\xff\xfe\x00")
    answer = hw1cli("list", "losses", "--json")
    assert answer.returncode == 0 and "corrupt" in answer.stderr
    assert "focal" in {row["name"] for row in json.loads(answer.stdout)}


def test_output_below_python_does_not_corrupt_json(install, hw1cli) -> None:
    source = "import os\nos.write(1, b'from below')\ndef raw(*, a: int = 1): ...\n"
    install("raw-writer", {"losses/raw": "raw_writer:raw"}, {"raw_writer.py": source})
    rows = json.loads(hw1cli("list", "losses", "--verify", "--json").stdout)
    assert "from below" in next(row["broken"] for row in rows if row["name"] == "raw")


def test_every_first_party_zoo_has_an_example_that_it_offers() -> None:
    zoos = [
        component for component in Registry().components() if component.is_zoo and component.distribution == "hw1cli"
    ]
    assert {zoo.example for zoo in zoos} >= {"timm/resnet18", "smp/resnet18", "smp/unet", "smp/dice"}


def test_example_that_a_zoo_does_not_offer_is_reported(install) -> None:
    text = """
        from registry import ComponentSpec, Zoo

        def _spec(name): return ComponentSpec.of(lambda: None)
        zoo = Zoo(lambda: ["a", "b"], _spec, "Letters.", example="c")
        """
    install("letters", {"losses/letters/*": "letters:zoo"}, {"letters.py": text})
    (zoo,) = [component for component in Registry().components("losses") if component.name == "letters/*"]
    with pytest.raises(PluginError, match="its example 'c' is not one of its names"):
        _ = zoo.example
