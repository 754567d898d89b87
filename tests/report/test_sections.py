"""The sections of a page that a study's recipe describes, published scores, and the page as a PDF."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.cli.commands.report import write_report
from registry.errors import InputError
from registry.report import pdf
from registry.report.gather import gather
from registry.report.sections import sections
from registry.results.runs import read


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """Runs of a study whose recipe describes its page, on data that count as real."""
    for name in ("small", "wide"):
        folder = Path(shutil.copytree(trained / "digits" / name, tmp_path / "study" / name))
        for file, changes in (("plan.json", {"published": {"accuracy": 0.2}}), ("summary.json", {"demo": False})):
            (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), **changes}))
    shutil.copytree(trained / "scenes" / "one", tmp_path / "study" / "scenes")
    described = [
        {"title": "Second <thing>", "text": "One.\n\nTwo.", "runs": ["scenes"], "show": ["masks", "settings"]},
        {"title": "First thing", "runs": ["w*", "small"], "show": ["scores", "architecture", "maps", "curves"]},
    ]
    (tmp_path / "study" / "page.json").write_text(json.dumps({"sections": described}))
    return tmp_path / "study"


def test_sections_come_in_the_recipes_order_with_the_parts_they_ask_for(study: Path) -> None:
    text = write_report((study,)).read_text()
    order = [text.index(f">{title}</h2>") for title in ("Verdict", "Second &lt;thing&gt;", "First thing", "Runs")]
    assert order == sorted(order)
    second, first = text[order[1] : order[2]], text[order[2] : order[3]]
    assert '<p class="prose">One.</p>' in second and "data-each" in second and "loss.gamma" not in second
    assert "<code>model.backbone</code>" in second and ">smp/unet<" in second
    assert "11.18 M" not in first and "M parameters" in first and "<code>layer4.1</code>" in first
    assert first.index(">wide</a>") < first.index(">small</a>"), "the runs come in the section's order"
    assert first.count("<h5>Epoch") == 4, "PCA and t-SNE at both epochs, side by side"
    assert "Not in this run's folder; maps: written by the reports `pca` and `tsne`." in first, "wide has no maps"


def test_published_scores_are_beside_the_runs_own(study: Path) -> None:
    runs = gather([read(study / name) for name in ("small", "wide", "scenes")]).runs
    (section,) = sections([{"title": "A", "runs": ["small"], "show": ["scores"]}], runs)
    (row,) = section.scores
    assert row["mean"] == runs[0].run.score and row["published"] == 0.2 and row["marked"]
    assert row["beside"] == f"{row['mean'] - 0.2:+.4f}: more than the noise of the images; that of seeds takes 3"
    runs[0].run.summary["demo"] = True  # type: ignore[index]
    (section,) = sections([{"title": "A", "runs": ["small"], "show": ["scores"]}], runs)
    assert section.scores[0]["beside"] == "not comparable: generated data" and not section.scores[0]["marked"]


def test_a_pdf_without_a_browser_is_refused_before_anything_is_written(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(InputError, match="needs Chromium or Chrome"):
        pdf.browser()


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="no browser: apt-get install chromium")
def test_the_page_is_printed_with_all_of_it_opened(hw1cli: Callable, study: Path) -> None:
    done = hw1cli("report", study, "--pdf", "--json")
    assert done.returncode == 0, done.stderr
    content = Path(json.loads(done.stdout)["pdf"]).read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page\n") > 8, "every run takes pages of its own"
