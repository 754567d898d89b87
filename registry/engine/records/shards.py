"""The sharded tensors of a checkpoint, in a folder beside it that ``torch.distributed.checkpoint`` writes.

The checkpoint holds tensors without content (on the device ``meta``) in their places, the name of the folder, and the
hashes of its files.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil
import uuid
import warnings
from collections import ChainMap
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from ...errors import Hw1Error
from ..runtime import processes

_NAME: Final = "shards-"
#: What else the metadata of the folder is made of; data types besides.
_PARTS: Final = (
    *("torch.distributed.checkpoint.filesystem._StorageInfo", "torch.serialization._get_layout", "torch.Size"),
    *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
)


def write(checkpoints: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    """Write the sharded tensors of a state, by all processes at once, each its own; what a checkpoint holds of it.

    Args:
        checkpoints: the folder of the checkpoints, the first process's.

    Raises:
        Hw1Error: a process cannot write.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    folder = processes.from_first(lambda: checkpoints.resolve() / f"{_NAME}{uuid.uuid4().hex[:12]}")
    tensors: dict[str, Any] = {}

    def take(tensor: Any, place: str) -> Any:
        if not hasattr(tensor, "full_tensor"):
            return tensor
        tensors[place] = tensor
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")

    rest = _each_tensor(state, take)
    try:
        save(tensors, checkpoint_id=folder)
    except CheckpointException as error:  # in every process, whichever failed
        raise Hw1Error(f"{folder} could not be written: {error}") from error
    own = [file for file in folder.iterdir() if file.name.startswith(f"__{processes.rank()}_")]
    own += [folder / ".metadata"] if processes.rank() == 0 else []
    hashed = processes.gathered({file.name: _hash(file) for file in own})
    return {**rest, "shards": {"folder": folder.name, "files": dict(ChainMap(*hashed))}}


def read(folder: Path, state: Mapping[str, Any], like: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """The state of a checkpoint with its tensors, whole and on the CPU.

    Args:
        folder: the checkpoint's, ``damage`` has found nothing in.
        like: for all processes at once, each of which reads its parts: a sharded tensor for the place of each.

    Raises:
        ValueError: the shards hold other objects than tensors, or cannot be read.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_loader import load

    folder, tensors = folder / Path(state["shards"]["folder"]).name, dict[str, Any]()

    def fill(tensor: Any, place: str) -> Any:
        if tensor.is_meta:
            tensors[place] = torch.empty_like(tensor, device="cpu") if like is None else torch.empty_like(like(place))
        return tensors.get(place, tensor)

    rest = _each_tensor({name: each for name, each in state.items() if name != "shards"}, fill)
    with open(folder / ".metadata", "rb") as file:
        _Metadata(file).load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that each process reads by itself
        try:
            load(tensors, checkpoint_id=folder, no_dist=like is None)
        except CheckpointException as error:
            raise ValueError(f"{folder} cannot be read: {error}") from error
    return rest  # type: ignore[no-any-return]


def damage(folder: Path, state: Mapping[str, Any]) -> str | None:
    """What is wrong with the shards of a checkpoint in a folder; None where they are whole."""
    for name, digest in state.get("shards", {}).get("files", {}).items():
        file = folder / Path(state["shards"]["folder"]).name / Path(name).name
        if not file.is_file():
            return f"{file} is missing"
        if _hash(file) != digest:
            return f"{file} is damaged: it has another hash"
    return None


def folders(checkpoints: Path) -> list[Path]:
    """The folders of shards beside the checkpoints of a run."""
    return list(checkpoints.glob(f"{_NAME}*"))


def delete(found: list[Path], named: Container[str]) -> None:
    """Delete the folders that no checkpoint names."""
    for folder in found:
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)


def _hash(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "blake2b").hexdigest()


def _each_tensor(value: Any, change: Callable[[Any, str], Any], place: str = "") -> Any:
    """A copy of nested values with ``change(tensor, place)`` for each tensor; its place is made of keys."""
    if isinstance(value, torch.Tensor):
        return change(value, place)
    if isinstance(value, Mapping):
        return {key: _each_tensor(each, change, f"{place}/{key}") for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_each_tensor(each, change, f"{place}/{index}") for index, each in enumerate(value))
    return value


class _Metadata(pickle.Unpickler):
    """Reads the metadata of a folder, which torch reads with ``pickle``, and refuses any other content."""

    def find_class(self, module: str, name: str) -> Any:
        from torch.distributed.checkpoint import metadata

        own = module == metadata.__name__ and getattr(getattr(metadata, name, None), "__module__", None) == module
        dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if own or dtype or f"{module}.{name}" in _PARTS:
            return super().find_class(module, name)
        raise ValueError(f"it holds other objects than tensors: {module}.{name}")
