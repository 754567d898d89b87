"""The house's two rules: who may import whom, and what may not be imported at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

HEAVY = {
    *("torch", "torchvision", "timm", "segmentation_models_pytorch", "lightly", "albumentations", "torchmetrics"),
    *("sklearn", "tensorboard", "lightning_fabric", "pytorch_lightning", "cv2", "numpy", "PIL", "matplotlib", "scipy"),
}


def imports(path: Path, *, everywhere: bool) -> Iterator[str]:
    """Absolute names that a file imports: anywhere in it, or only when it is itself imported."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree)) if everywhere else [n for n in tree.body if not _only_for_types(n)]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            yield ".".join((*package, node.module))


def _only_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


FRAMEWORK = sorted((ROOT / "registry").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


def test_there_is_something_to_look_at() -> None:
    assert len(FRAMEWORK) > 30 and len(PLUGINS) > 20


@pytest.mark.parametrize("path", FRAMEWORK, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_framework_imports_no_plugin_and_outside_the_engine_nothing_heavy(path: Path) -> None:
    assert not [name for name in imports(path, everywhere=True) if name.split(".")[0] == "plugins"]
    if "engine" not in path.parts and path.parent.name != "contracts":
        assert not [name for name in imports(path, everywhere=True) if name.split(".")[0] in HEAVY]


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_no_other_plugin_and_its_window_nothing_heavy(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[0]
    others = [name for name in imports(path, everywhere=True) if name.startswith("plugins.")]
    assert not [name for name in others if name.split(".")[1] != own]
    if path.name in ("specs.py", "__init__.py"):
        assert not [name for name in imports(path, everywhere=False) if name.split(".")[0] in HEAVY]
        assert not [name for name in imports(path, everywhere=False) if name.startswith("registry.engine")]


@pytest.mark.parametrize("path", [*PLUGINS, *EXAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_only_public_names_of_the_framework(path: Path) -> None:
    import registry.engine
    import registry.testing

    public = {module.__name__: module.__all__ for module in (registry, registry.engine, registry.testing)}
    private = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            private += [a.name for a in node.names if a.name.startswith("registry.") and a.name not in public]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "registry" and not node.level:
            names = [*public.get(node.module or "", ()), *(["engine", "testing"] if node.module == "registry" else [])]
            private += [f"{node.module}.{a.name}" for a in node.names if a.name not in names]
    assert not private
