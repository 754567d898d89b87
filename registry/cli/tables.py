"""What ``list``, ``describe`` and ``data`` answer, as tables for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text


def component_table(rows: Sequence[Mapping[str, Any]], *, verify: bool) -> None:
    """One row a component, grouped by kind."""
    console = Console()
    if not rows:
        console.print("nothing matches; 'hw1cli list' shows everything")
        return
    if len({(row["kind"], row["target"]) for row in rows}) == 1 and len(rows) > 1 and not verify:
        # All from one zoo: their names are all that differs.
        told = rows[0]
        console.print(f"{told['kind']} of {told['distribution']} {told['version']}: {told['summary']}")
        console.print(Columns([Text(row["name"], style="bold") for row in rows], column_first=True, padding=(0, 3)))
        console.print(f"{len(rows)} names; 'hw1cli describe NAME' tells more")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("offered by", style="dim", overflow="fold")
    table.add_column("summary", ratio=1, overflow="fold")
    kind = ""
    for row in rows:
        about = Text(row["summary"])
        if row["broken"]:
            about = Text(f"broken: {row['broken']}", style="red")
        shown, kind = ("" if row["kind"] == kind else row["kind"]), row["kind"]
        table.add_row(shown, Text(row["name"]), f"{row['distribution']} {row['version']}", about)
    console.print(table)
    broken = sum(bool(row["broken"]) for row in rows)
    console.print(f"{len(rows)} components" + (f", {broken} broken" if verify else ""))
    if any(row["name"].endswith("/*") for row in rows):
        console.print("[dim]PREFIX/* is a zoo: hw1cli list KIND 'PREFIX/*' shows its names[/]")


def description(found: Sequence[Mapping[str, Any]]) -> None:
    """Everything about a name, kind by kind."""
    console = Console()
    for index, told in enumerate(found):
        if index:
            console.rule(style="dim")
        origin = f"{told['kind']}, {told['distribution']} {told['version']}, {told['target']}"
        console.print(f"[bold]{escape(told['name'])}[/]  [dim]{escape(origin)}[/]")
        if "names" in told:
            _zoo(console, told)
            continue
        console.print(Text(_flowed(told["doc"].partition("Args:")[0].rstrip())))
        console.print()
        if told["parameters"]:
            console.print(_parameters(told["parameters"]))
        for name, value in told["details"].items():
            console.print(f"[dim]{escape(name)}:[/] {escape(str(value))}")
        console.print(f"[dim]contract of {told['kind']}:[/] {escape(told['contract'])}")
        console.print(f"[dim]in a recipe:[/] {escape(told['example'])}")


def _flowed(doc: str) -> str:
    """A docstring whose paragraphs fill the terminal's lines; lists and indented parts stay as they are."""
    paragraphs = []
    for paragraph in doc.split("\n\n"):
        lines = paragraph.splitlines()
        plain = not any(line.startswith((" ", "-", "*")) for line in lines)
        paragraphs.append(" ".join(lines) if plain else paragraph)
    return "\n\n".join(paragraphs)


def _zoo(console: Console, told: Mapping[str, Any]) -> None:
    console.print(
        f"{escape(told['summary'].rstrip('.'))}: {told['contract']}, such as {escape(', '.join(told['names'][:8]))}"
    )
    console.print(f"[dim]what they take:[/] hw1cli describe {escape(told['example'])}")
    console.print(f"[dim]all of them:[/] hw1cli list {told['kind']} '{escape(told['name'])}'")


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("argument", style="bold", no_wrap=True)
    table.add_column("type", overflow="fold")
    table.add_column("default", overflow="fold")
    table.add_column("", ratio=1, overflow="fold")
    for parameter in parameters:
        if parameter["from_data"]:
            default = Text("from the run", style="dim")
        elif parameter["required"]:
            default = Text("required", style="yellow")
        else:
            default = Text(as_yaml(parameter["default"]))
        table.add_row(parameter["name"], Text(parameter["type"]), default, Text(parameter["doc"]))
    return table


def as_yaml(value: Any) -> str:
    """A default as a recipe writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(as_yaml(item) for item in value)}]"
    return str(value)


def facts(title: str, told: Mapping[str, Any]) -> None:
    """A few figures, one a line; mappings as shares."""
    console = Console()
    console.print(f"[bold]{escape(title)}[/]")
    for name, value in told.items():
        if isinstance(value, Mapping):
            console.print(_shares(name, value))
        else:
            console.print(f"  {name}: {value}")


def _shares(title: str, shares: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class")
    table.add_column("share", justify="right")
    table.add_column("")
    largest = max([*(float(share) for share in shares.values()), 1e-9])
    for name, share in shares.items():
        table.add_row(str(name), f"{share:.1%}", "#" * round(30 * float(share) / largest))
    return table


#: Classes in one table of ``data inspect``; more stand side by side, without bars.
_CLASSES_BELOW = 20
#: Faulty samples that are named, of each split.
_FAULTS = 5


def inspection(told: Mapping[str, Any]) -> None:
    """What ``data inspect`` found, ending with the block to paste."""
    from ..engine.data.scan import sizes_in_words
    from ..recipe.scalars import dump

    console = Console()
    splits = told["splits"]
    for name, split in splits.items():
        sizes = sizes_in_words(split["sizes"])
        console.print(f"[bold]{name}[/]: {split['images']} images; of {split['looked_at']} looked at: {sizes}")
        if "ignored" in split:
            console.print(f"  ignored: {split['ignored']:.1%} of the pixels")
        for text in _amiss(split):
            console.print(f"  [yellow]warning:[/] {escape(text)}", soft_wrap=True)
        if split.get("unlabelled"):
            console.print(f"  without a label: {split['unlabelled']} of {split['counted']}")
    if "val" not in splits:
        console.print("[yellow]no evaluation split[/]: no scores, and no best checkpoint; 'split:' makes one")
    classes = list(splits["train"]["shares"])
    if classes:
        parts = -(-len(classes) // _CLASSES_BELOW)
        each = -(-len(classes) // parts)
        tables = [_classes(classes[at : at + each], splits, bars=parts == 1) for at in range(0, len(classes), each)]
        console.print(Columns(tables, padding=(0, 3)))
    if told.get("sheet"):
        console.print(f"[dim]samples:[/] {escape(str(told['sheet']))}", soft_wrap=True)
    console.print("[dim]in a recipe:[/]")
    data = {
        key: str(value) if not isinstance(value, (list, dict, int, float, bool, type(None))) else value
        for key, value in told["data"].items()
    }
    split = {"split": told["split"]} if "split" in told else {}
    augment = {"augment": told["augment"]} if told["augment"] else {}
    if augment:
        console.print("[yellow]the images differ in size[/], which a batch must not: 'augment:' makes them equal")
    console.print(escape(dump({"data": data, **split, **augment})), soft_wrap=True)
    for question in told["questions"]:
        console.print(f"[yellow]question:[/] {escape(question)}", soft_wrap=True)


def _amiss(split: Mapping[str, Any]) -> list[str]:
    """What would stop a run, or shows that labels are no labels, in sentences."""
    faults, shares = split["warnings"], split["shares"]
    told = list(faults[:_FAULTS])
    if len(faults) > _FAULTS:
        told.append(f"and {len(faults) - _FAULTS} more of {split['looked_at']} samples cannot be used")
    absent = [name for name, share in shares.items() if share == 0]
    if absent and "counts" not in split:
        some = ", ".join(absent[:_FAULTS]) + ", ..." * (len(absent) > _FAULTS)
        told.append(f"{len(absent)} of {len(shares)} classes are in none of the masks looked at: {some}")
    return told


def _classes(names: Sequence[str], splits: Mapping[str, Any], *, bars: bool) -> Table:
    """A few classes: of each split their images, where these are counted, and their shares."""
    from ..engine.data.scan import percent

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for which, split in splits.items():
        if "counts" in split:
            table.add_column(which, justify="right")
        if "counts" not in split or bars:
            table.add_column("share" if "counts" in split else which, justify="right")
    if bars:
        table.add_column("")
    largest = max([*splits["train"]["shares"].values(), 1e-9])
    for name in names:
        cells = []
        for split in splits.values():
            if "counts" in split:
                cells.append(str(split["counts"][name]))
            if "counts" not in split or bars:
                cells.append(percent(split["shares"][name]))
        bar = ["#" * round(30 * splits["train"]["shares"][name] / largest)] if bars else []
        table.add_row(Text(name), *cells, *bar)
    return table


#: Settings whose differences fit on a terminal, each from each.
_COMPARED = 8


def settings_table(console: Console, monitor: str, told: Mapping[str, Any]) -> None:
    """A study's settings with their standard errors, and below them their differences from one another."""
    table = Table(title=f"{monitor}, best epoch of each run", title_justify="left", title_style="bold")
    table.add_column("setting")
    for heading in ("mean", "standard error", "seeds"):
        table.add_column(heading, justify="right")
    for row in told["settings"]:
        error = "?" if row["standard_error"] is None else f"{row['standard_error']:.4f}"
        table.add_row(row["name"], f"{row['mean']:.4f}", error, str(len(row["runs"])))
    console.print(table)
    names = [row["name"] for row in told["settings"]]
    if 1 < len(names) <= _COMPARED:
        console.print("row minus column", style="bold")
        console.print(_differences(names, told["differences"]))
        said = "* more than noise: beyond 1.96 standard errors; the standard error is over seeds, of one seed binomial"
        console.print(said, style="dim")


def _differences(names: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column("")
    for name in names[:-1]:
        table.add_column(name, justify="right")
    known = {(pair["one"], pair["other"]): pair for pair in pairs}
    for at, name in enumerate(names[1:], 1):
        found = (known.get((other, name)) for other in names[:at])
        table.add_row(name, *(_difference(pair) for pair in found))
    return table


def _difference(pair: Mapping[str, Any] | None) -> str:
    if pair is None:
        return ""
    return f"{pair['difference']:+.3f}{'*' if pair['more_than_noise'] else ' '}"
