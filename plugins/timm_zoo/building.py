"""Building a timm model from a recipe's arguments; timm's errors as problems that a user can fix."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm
from timm.models import PretrainedCfg
from timm.models._hub import get_cache_dir

from registry import InputError, did_you_mean
from registry.engine import HUB_FILES, require_download, require_weights


def create(
    name: str,
    pretrained: bool | str,
    weights: Path | None,
    image_size: int | None,
    arguments: dict[str, Any],
    *,
    path: str,
) -> Any:
    """A timm model that takes images of any size where timm has an option for it.

    Args:
        name: architecture or ``architecture.tag``.
        pretrained: false, true, or a tag.
        weights: a local file; wins over `pretrained`.
        image_size: the side that position embeddings are made for.
        arguments: further ones of `timm.create_model`.
        path: where a problem of the model as a whole lies.

    Raises:
        InputError: see the message.
    """
    architecture, _, tag = name.partition(".")
    if isinstance(pretrained, str):
        known = [each.partition(".")[2] for each in timm.list_pretrained(f"{architecture}.*")]
        if pretrained not in known:
            hint = did_you_mean(pretrained, known, f"its tags: {', '.join(known) or 'none'}")
            raise InputError.of("pretrained", f"timm has no weights {pretrained!r} of {architecture}", hint)
        tag = pretrained
    full = f"{architecture}.{tag}" if tag else architecture
    config = timm.models.get_pretrained_cfg(full) or PretrainedCfg()
    common = dict(arguments)
    overlay = _source(full, config, bool(pretrained), weights)
    if overlay is not None:
        common |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    if image_size is not None:
        common["img_size"] = image_size
    return _first_that_fits(full, config, common, weights, path)


def _first_that_fits(full: str, config: PretrainedCfg, common: dict[str, Any], weights: Path | None, path: str) -> Any:
    for options in _size_options(config):
        try:
            with _without_unexpected_keys():
                net: Any = timm.create_model(full, **common, **options)
            if config.fixed_input_size and not options:
                _, height, width = config.input_size
                net.fixed_size = (common.get("img_size", height), common.get("img_size", width))
            return net
        except Exception as error:  # timm asserts, raises and stumbles; every way of it means that this cannot be built
            refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if refused and refused[1] in options:
                continue
            raise _unsuitable(full, common, weights, path, refused[1] if refused else None, error) from error
    raise AssertionError("the last set of options is empty, so nothing in it can be refused")


@contextmanager
def _without_unexpected_keys() -> Iterator[None]:
    """timm warns of a classifier's head in a file of weights, which a backbone does not need."""
    logger = logging.getLogger("timm.models._builder")

    def wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Unexpected keys")

    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


def _unsuitable(
    full: str, common: dict[str, Any], weights: Path | None, path: str, refused: str | None, error: Exception
) -> InputError:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if refused in common and refused not in ("features_only", "out_indices"):
        setting = {"img_size": "image_size", "in_chans": "in_channels"}.get(refused, refused)
        return InputError.of(setting, f"timm's {full} has no such option", f"leave out `{setting}`")
    if weights is not None:
        return InputError.of("weights", f"timm cannot load {weights} as weights of {full} ({reason})")
    if "output_stride" in common:
        hint = "leave it out: a decoder that needs a finer map arranges it"
        return InputError.of("output_stride", f"timm cannot give {full} this stride ({reason})", hint)
    if "out_indices" in common:
        message = f"timm's {full} has no feature maps {list(common['out_indices'])} ({reason})"
        return InputError.of("out_indices", message, "count its maps from 0, or leave it out for one of each stride")
    if "features_only" in common:
        message = f"timm's {full} gives no feature maps, so it is no backbone ({reason})"
        return InputError.of(path, message, "choose another: timm's convolutional networks and Swin, PVT, ViT do")
    return InputError.of(path, f"timm cannot build {full} so ({reason})")


def _size_options(config: PretrainedCfg) -> Iterator[dict[str, Any]]:
    # Vision transformers resample their position embedding; Swin and its like merely stop insisting on a size.
    if config.fixed_input_size:
        yield {"dynamic_img_size": True}
        yield {"strict_img_size": False}
    yield {}


def _source(full: str, config: PretrainedCfg, pretrained: bool, weights: Path | None) -> dict[str, Any] | None:
    """Where timm shall read weights, always a local file; None for none."""
    if weights is not None:
        if not Path(weights).is_file():
            raise InputError.of(
                "weights", f"there is no file {weights}", "give the path of a .safetensors or .pth file"
            )
        return {"file": str(weights), **_classes(config, Path(weights))}
    if not pretrained:
        return None
    if config.hf_hub_id:
        files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        return {"file": str(require_weights(config.hf_hub_id, files, model=f"timm/{full}"))} | _loading(config)
    if config.url:
        url = config.url if isinstance(config.url, str) else config.url[0]
        return {"file": str(require_download(url, Path(get_cache_dir()), model=f"timm/{full}"))} | _loading(config)
    architecture = full.partition(".")[0]
    tags = ", ".join(each.partition(".")[2] for each in timm.list_pretrained(f"{architecture}.*"))
    hint = (
        f"set `pretrained` to one of {tags}" if tags else "set `pretrained: false`, or give a file as `weights: PATH`"
    )
    raise InputError.of("pretrained", f"there are no pretrained weights of timm/{full}", hint)


def _loading(config: PretrainedCfg) -> dict[str, Any]:
    # Naming a file makes timm forget that the file is of a format that the model loads by itself.
    return {"custom_load": config.custom_load} if config.custom_load else {}


def _classes(config: PretrainedCfg, weights: Path) -> dict[str, Any]:
    """How many classes a local file's last layer tells apart: timm drops a last layer of another number."""
    if not isinstance(config.classifier, str):
        return {}
    try:
        last = timm.models.load_state_dict(str(weights), weights_only=True).get(f"{config.classifier}.weight")
    except Exception as error:
        raise InputError.of("weights", f"{weights} cannot be read ({type(error).__name__}: {error})") from error
    return {} if last is None else {"num_classes": int(last.shape[0])}
