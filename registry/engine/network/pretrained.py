"""Pretrained weights that are at hand, or a quick and helpful answer that they are not."""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import InputError

#: Seconds that a server has for its first answer. Libraries wait and retry for up to minutes.
PATIENCE = 1.5
#: What weights are called in repositories of the hub, best first.
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def require_weights(
    repo_id: str,
    filename: str | Sequence[str],
    *,
    model: str,
    revision: str | None = None,
    option: str | None = "weights",
    setting: str = "pretrained",
) -> Path:
    """The local file of weights from the Hugging Face hub: cached, or downloaded now when the hub can be reached.

    Args:
        repo_id: ``owner/name``, with ``@revision`` when `revision` is None.
        filename: the file, or several in order of preference.
        model: what a message calls the model.
        revision: branch, tag or commit.
        option: the setting that takes a local file instead; None when there is none.
        setting: the setting that asks for these weights.

    Raises:
        InputError: not cached, and offline or not to be had; within a few seconds, and says what to do.
    """
    # Imported here, so that a backbone without pretrained weights does not pay for it.
    from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    repo_id, _, pinned = repo_id.partition("@")
    revision = revision or pinned or None
    names = [filename] if isinstance(filename, str) else list(filename)
    for name in names:
        cached = try_to_load_from_cache(repo_id, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)

    def fail(reason: str) -> InputError:
        return _missing(model, f"{names[0]} of {repo_id} on the Hugging Face hub", reason, option, setting)

    if constants.HF_HUB_OFFLINE or _is_true(os.environ.get("HF_HUB_OFFLINE")):
        raise fail("it is not in the cache and HF_HUB_OFFLINE is set")
    problem = unreachable(hf_hub_url(repo_id, names[0], revision=revision))
    if problem:
        raise fail(f"it is not in the cache and the hub cannot be reached ({problem})")
    for name in names:
        try:
            with contextlib.suppress(EntryNotFoundError):
                return Path(hf_hub_download(repo_id, name, revision=revision))
        except Exception as error:  # whatever the hub's client raises: the weights cannot be had
            raise fail(f"the download failed ({type(error).__name__}: {_first_line(error)})") from error
    raise fail("the hub does not have it")


def require_download(url: str, folder: Path, *, model: str, option: str | None = "weights") -> Path:
    """The local copy of a file of weights on the web, downloaded into `folder` if it is not there.

    Raises:
        InputError: as `require_weights`.
    """
    name = Path(urlsplit(url).path).name
    target = folder / name
    if target.is_file():
        return target
    problem = unreachable(url)
    if problem:
        reason = f"it is not in {folder} and its server cannot be reached ({problem})"
        raise _missing(model, url, reason, option, "pretrained")
    import torch.hub

    folder.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(target), progress=False)
    except Exception as error:
        reason = f"the download failed ({type(error).__name__}: {_first_line(error)})"
        raise _missing(model, url, reason, option, "pretrained") from error
    return target


def _missing(model: str, what: str, reason: str, option: str | None, setting: str) -> InputError:
    from huggingface_hub import constants

    local = (
        f"download it elsewhere and give `{option}: PATH`, or "
        if option
        else (f"copy it into the hub's cache, {constants.HF_HUB_CACHE} (from a machine that has it), or ")
    )
    hint = f"{local}train without: `{setting}: false`; with a network, the first run downloads it"
    return InputError.of(setting, f"the pretrained weights of {model} are missing: {what}; {reason}", hint)


def unreachable(url: str, patience: float = PATIENCE) -> str | None:
    """Why the server of `url` does not answer within `patience` seconds; None when it does, whatever it says."""
    answer: list[str | None] = []

    def knock() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=patience):
                answer.append(None)
        except urllib.error.HTTPError:
            answer.append(None)  # a refusal is an answer too; the library's own message is the better one then
        except Exception as error:
            answer.append(_first_line(getattr(error, "reason", None) or error))

    # A thread, because neither name look-up nor a server that trickles bytes keeps to urlopen's timeout.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(patience)
    return answer[0] if answer else f"no answer in {patience:g} s"


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _is_true(value: str | None) -> bool:
    return (value or "").upper() in {"1", "ON", "YES", "TRUE"}
