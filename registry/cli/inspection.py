"""What ``data inspect`` found, for readers: splits, warnings, classes, and the block to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.table import Table

#: Classes in one table; more are shown in tables side by side, without bars.
_CLASSES: Final = 20
#: Faulty samples that are named, of each split.
_FAULTS: Final = 5


def print_report(report: Mapping[str, Any]) -> None:
    """The splits, warnings and classes, and at the end the block to paste."""
    from ..engine.inspection.scan import sizes_in_words
    from .tables import Columns, Console, Text, plural

    console = Console()
    splits = report["splits"]
    for name, split in splits.items():
        read = "" if split["looked_at"] == split["images"] else f", {split['looked_at']} of them read"
        line = f": {plural(split['images'], 'image')}{read}: {sizes_in_words(split['sizes'])}"
        console.print(Text.assemble((name, "bold"), line), soft_wrap=True)
        if "ignored" in split:
            console.print(f"  ignored: {split['ignored']:.1%} of the pixels")
        for text in _warnings(split):
            console.print(Text.assemble(("  warning: ", "yellow"), text), soft_wrap=True)
        if split.get("unlabelled"):
            console.print(f"  without a label: {split['unlabelled']} of {split['counted']}")
    if "val" not in splits:
        missing = ("no evaluation split", "yellow")
        console.print(Text.assemble(missing, ": no scores and no best checkpoint; the split: block below makes one"))
    classes = list(splits["train"]["shares"])
    if classes:
        tables = -(-len(classes) // _CLASSES)
        each = -(-len(classes) // tables)
        parts = [classes[at : at + each] for at in range(0, len(classes), each)]
        console.print(Columns([_classes(part, splits, bars=tables == 1) for part in parts], padding=(0, 3)))
    if report.get("sheet"):
        console.print(Text.assemble(("samples drawn in ", "dim"), str(report["sheet"])), soft_wrap=True)
    if report["augment"]:
        console.print(
            "[yellow]the images differ in size[/], but a batch needs one size: augment: below crops them to it"
        )
    for text in report["problems"]:
        console.print(Text.assemble(("found: ", "yellow"), text), soft_wrap=True)
    for group in report["duplicates"][:_FAULTS]:
        names = " = ".join(f"{image['split']}/{image['name']}" for image in group["images"][:_FAULTS])
        console.print(Text(f"  {', '.join([group['kind'], *group['how']])}: {names}"), soft_wrap=True)
    for each in report.get("suspicious", ())[:_FAULTS]:
        text = f"  {each['name']}: labelled {each['label']}, predicted {each['prediction']} ({each['probability']:.2f})"
        console.print(Text(text), soft_wrap=True)
    console.print("[dim]in a recipe:[/]")
    console.print(Text(block_of(report)), soft_wrap=True)
    for question in report["questions"]:
        console.print(Text.assemble(("question: ", "yellow"), question), soft_wrap=True)


def block_of(report: Mapping[str, Any]) -> str:
    """The lines for a recipe."""
    from ..recipe.dump import dump

    block = {key: str(value) if isinstance(value, Path) else value for key, value in report["data"].items()}
    return dump({"data": block, **{key: report[key] for key in ("split", "augment") if report.get(key)}})


def _warnings(split: Mapping[str, Any]) -> list[str]:
    """What would stop a run, or suggests that labels are wrong, in sentences."""
    faults, shares = split["warnings"], split["shares"]
    warnings = list(faults[:_FAULTS])
    if len(faults) > _FAULTS:
        warnings.append(f"{len(faults) - _FAULTS} more of the {split['looked_at']} samples read cannot be used")
    absent = [name for name, share in shares.items() if share == 0]
    if absent and "counts" not in split:
        some = ", ".join(absent[:_FAULTS]) + ", ..." * (len(absent) > _FAULTS)
        warnings.append(f"{len(absent)} of {len(shares)} classes are in none of the masks read: {some}")
    return warnings


def _classes(names: Sequence[str], splits: Mapping[str, Any], *, bars: bool) -> Table:
    """A few classes: of each split their images, where these are counted, and their shares."""
    from ..engine.inspection.scan import percent
    from .tables import Text, table_of

    headings = []
    for which, split in splits.items():
        headings += [f"{which}>"] if "counts" in split else []
        headings += [f"{'share' if 'counts' in split else which}>"] if "counts" not in split or bars else []
    table = table_of("class", *headings, *([""] if bars else []))
    shares = splits["train"]["shares"]
    for name in names:
        cells = []
        for split in splits.values():
            cells += [str(split["counts"][name])] if "counts" in split else []
            cells += [percent(split["shares"][name])] if "counts" not in split or bars else []
        bar = ["#" * round(30 * shares[name] / max(*shares.values(), 1e-9))] if bars else []
        table.add_row(Text(name), *cells, *bar)
    return table
