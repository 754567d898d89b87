"""The section ``page`` of a study's recipe: what its page shows above all that it shows of any study."""

# No postponed annotations here: the class is read as a spec.
from dataclasses import dataclass
from typing import Literal

#: What a section of a page may show of its runs.
Part = Literal[
    "scores", "settings", "curves", "architecture", "classes", "confusion", "maps", "masks", "worst", "calibration"
]


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """A section of a study's page, which `hw1cli report` shows in its place, above all that it shows of any study.

    Args:
        title: its heading.
        text: sentences under it; an empty line begins a paragraph.
        runs: the runs that it shows, by name or pattern (tuned_*), with all their seeds; every run when empty.
        show: what it shows of them, in order.
    """

    title: str
    text: str = ""
    runs: list[str] = ()  # type: ignore[assignment]
    show: list[Part] = ()  # type: ignore[assignment]
