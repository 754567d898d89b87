"""The page of report in a real browser, without a network: hover, sliders, sorting, keyboard, widths, themes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from shown_studies import folded, homework, swept

from registry.cli.commands.report import write_report

axe = pytest.importorskip("axe_core_python", reason="axe is not installed: pip install -e '.[test]'")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None, reason="no browser: apt-get install chromium chromium-driver"
    ),
]
#: No request leaves the machine, not even the browser's own.
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(trained: Path, colored_images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One classifier, a segmentation, a study of all, a sweep, folds, and the sections of the homework."""
    folder = tmp_path_factory.mktemp("pages")
    of = {"one": trained / "digits" / "small", "masks": trained / "scenes", "study": trained}
    of |= {"sweep": swept(trained, folder), "folds": folded(colored_images, folder), "hw1": homework(trained, folder)}
    return {name: write_report((path,), folder / f"{name}.html") for name, path in of.items()}


@pytest.fixture
def page(browser: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """page(name, width, theme): the page is opened, and everything in it shown and drawn."""

    def show(name: str, width: int = 1400, theme: str = "light") -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        preferred = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
        browser.get(pages[name].as_uri())
        run(browser, "document.querySelectorAll('details').forEach(each => { each.open = true })")
        for chart in browser.find_elements("css selector", ".chart, .masks"):
            run(browser, "arguments[0].scrollIntoView()", chart)
            until(browser, "return Boolean(arguments[0].dataset.drawn || arguments[0].dataset.painted)", chart)
        return browser

    yield show
    assert [each for each in browser.get_log("browser") if each["level"] in ("SEVERE", "WARNING")] == []


def run(browser: Any, script: str, *arguments: Any) -> Any:
    return browser.execute_script(script, *arguments)


def until(browser: Any, script: str, *arguments: Any) -> Any:
    """The script's value, as soon as it is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if value := run(browser, script, *arguments):
            return value
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}")


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def slide(browser: Any, slider: Any, keys: str) -> None:
    """Move a slider as a user without a mouse does."""
    run(browser, "arguments[0].focus()", slider)
    slider.send_keys(keys)


@pytest.mark.parametrize(
    ("name", "width", "theme"),
    [
        ("hw1", 400, "light"),
        ("hw1", 1400, "dark"),
        ("sweep", 400, "dark"),
        ("sweep", 1400, "light"),
        ("folds", 400, "light"),
    ],
)
def test_nothing_is_cut_off_and_axe_finds_nothing_serious(page: Callable, name: str, width: int, theme: str) -> None:
    browser = page(name, width, theme)
    assert run(browser, "return document.documentElement.scrollWidth <= innerWidth")
    for chart in browser.find_elements("css selector", ".chart"):
        assert 200 < chart.size["width"] <= width and chart.size["height"] > 200
    # Without the inside of the drawings: thousands of marks take minutes, and their texts have the page's colours.
    call = "axe.run({exclude: [['.plot-container']]}, {resultTypes: ['violations']}).then(arguments[0])"
    run(browser, (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script(call)["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert {each["id"]: [node["html"][:200] for node in each["nodes"]][:3] for each in serious} == {}
    background = run(browser, "return getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if theme == "light" else "rgb(20, 23, 28)")
    paper = run(browser, "return document.querySelector('.chart').layout.paper_bgcolor")
    assert paper == background, "the charts follow the theme"


def test_no_request_leaves_the_page(page: Callable) -> None:
    browser = page("study")
    requested = [
        entry["message"] for entry in browser.get_log("performance") if 'requestWillBeSent"' in entry["message"]
    ]
    assert requested and not [text for text in requested if '"url":"http' in text or '"url":"ws' in text]
    assert run(browser, "return performance.getEntriesByType('resource').map(each => each.name)") == []


def test_the_text_is_there_within_two_seconds(browser: Any, pages: dict[str, Path]) -> None:
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.get(pages["study"].as_uri())
    until(browser, "return document.querySelector('.chart').dataset.drawn")
    metrics = {each["name"]: each["value"] for each in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    # Time of the processor, not of the clock: other tests run beside this one.
    assert metrics["TaskDuration"] < 2, metrics


def test_a_heading_sorts_by_value_and_a_second_press_turns_the_order(page: Callable) -> None:
    browser = page("study")
    heading = one(browser, "#runs thead th:nth-child(8) button")
    order = "return [...document.querySelectorAll('#runs table tbody')][0].innerText"
    values = (
        "return [...document.querySelector('#runs table').tBodies[0].rows].map(r => Number(r.cells[7].dataset.value))"
    )
    heading.send_keys("\ue007")  # Enter
    assert run(browser, values) == sorted(run(browser, values), reverse=True)
    first = run(browser, order)
    heading.send_keys("\ue007")
    assert run(browser, values) == sorted(run(browser, values)) and run(browser, order) != first
    assert run(browser, "return arguments[0].closest('th').ariaSort", heading) == "ascending"
    assert run(browser, "return document.querySelectorAll('#runs td.best').length") >= 3


def test_arrow_keys_read_a_curve_aloud(page: Callable) -> None:
    browser = page("one")
    chart = one(browser, "#curves .chart")
    run(browser, "arguments[0].focus()", chart)
    said = []
    for _ in range(2):
        chart.send_keys("\ue014")  # right
        said.append(until(browser, "return arguments[0].nextElementSibling.textContent", chart))
        run(browser, "arguments[0].nextElementSibling.textContent = ''", chart)
    assert "epoch 1" in said[0] and "epoch 2" in said[1]
    value = run(browser, "return arguments[0].data[0].y[1]", chart)
    assert f"{value:.4g}".rstrip("0") in said[1]


def test_the_mouse_shows_the_thumbnail_of_an_image(page: Callable) -> None:
    browser = page("one")
    chart = one(browser, ".map .chart")
    run(browser, "arguments[0].scrollIntoView({block: 'center'})", chart)
    mark = chart.find_element("css selector", ".scatterlayer .point")
    tip, deadline = one(browser, "#tip"), time.monotonic() + 60
    while not tip.is_displayed():  # scrolling hides it, and events of scrolling may come after the mouse
        assert time.monotonic() < deadline
        webdriver.ActionChains(browser).move_to_element(chart).move_to_element(mark).pause(0.2).perform()
    assert ".png: " in tip.text and "predicted" in tip.text
    thumbnail = run(browser, "return getComputedStyle(arguments[0].firstChild)", tip)
    assert run(browser, "return arguments[0].firstChild.style.backgroundImage.startsWith('url(\"data:image/jpeg')", tip)
    assert thumbnail
    box = run(browser, "const b = arguments[0].getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]", tip)
    assert box[0] >= 0 and box[1] >= 0 and box[2] <= 1400 and box[3] <= 900


def test_the_epoch_slider_moves_the_images_of_a_map(page: Callable) -> None:
    browser = page("one")
    places = "return document.querySelector('.map .chart').data.map(trace => trace.x)"
    last = run(browser, places)
    slide(browser, one(browser, ".map .epoch"), "\ue012")  # left
    until(browser, "return document.querySelector('.map .shown').textContent === '1'")
    first = run(browser, places)
    assert first != last and [len(each) for each in first] == [len(each) for each in last]
    one(browser, ".map .wrong").send_keys(" ")
    until(browser, "return document.querySelector('.map .wrong').checked")
    assert sum(map(len, run(browser, places))) < sum(map(len, first))


def test_masks_follow_epoch_opacity_and_layer(page: Callable) -> None:
    browser = page("masks")
    pixels = """const canvas = document.querySelector('.masks canvas');
        return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].join()"""
    section = one(browser, ".masks")
    last = run(browser, pixels)
    slide(browser, one(browser, ".masks .epoch"), "\ue012")
    until(browser, "return arguments[0].dataset.painted.startsWith('0-60')", section)
    assert run(browser, pixels) != last and "epoch 1" in one(browser, ".masks figcaption").text
    slide(browser, one(browser, ".masks .opacity"), "\ue011")  # home
    until(browser, "return arguments[0].dataset.painted === '0-0-predicted'", section)
    assert run(browser, "return document.querySelector('.masks canvas').style.opacity") == "0"
    one(browser, ".masks .layer").send_keys("truth")
    until(browser, "return arguments[0].dataset.painted === '0-0-truth'", section)
    colors = run(browser, "return runs[0].classes.colors")
    shown = {tuple(map(int, rgba[:3])) for rgba in zip(*[iter(run(browser, pixels).split(","))] * 4, strict=True)}
    assert shown <= {tuple(color) for color in colors}, "the classes' colours, and no others"
    webdriver.ActionChains(browser).move_to_element(one(browser, ".masks canvas")).perform()
    assert "truth" in until(browser, "return document.querySelector('.masks figure output').textContent")


def test_the_keyboard_reaches_everything(page: Callable) -> None:
    browser = page("one", 400)
    run(browser, "scrollTo(0, 0); document.activeElement.blur()")
    reached: set[str] = set()
    wanted = "a, button, select, input, .chart, summary, .scroll, pre"
    total = run(browser, f"return document.querySelectorAll('{wanted}').length")
    for _ in range(total + 5):
        run(browser, "return document.activeElement").send_keys("\ue004")  # tab
        reached.add(
            run(browser, "const a = document.activeElement; return a.className + a.tagName + a.id + a.ariaLabel")
        )
    kinds = " ".join(map(str, reached))
    for kind in ("skipA", "chart", "epochINPUT", "wrongINPUT", "SELECT", "BUTTON", "SUMMARY", "yamlPRE", "scroll"):
        assert kind in kinds


def test_the_button_turns_the_theme(page: Callable) -> None:
    browser = page("one")
    one(browser, "#theme").click()
    assert run(browser, "return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    until(browser, "return document.querySelector('.chart').layout.paper_bgcolor === 'rgb(20, 23, 28)'")


def test_a_link_opens_the_run_it_names(browser: Any, pages: dict[str, Path]) -> None:
    browser.get(pages["study"].as_uri())
    assert not run(browser, "return document.getElementById('run-2').open")
    one(browser, "nav a[href='#run-2']").click()
    until(browser, "return document.getElementById('run-2').open")


def test_a_trial_under_the_mouse_or_the_arrow_keys_shows_its_values(page: Callable) -> None:
    browser = page("sweep")
    chart = one(browser, "[data-chart=history]")
    run(browser, "arguments[0].scrollIntoView({block: 'center'})", chart)
    shown = "return arguments[0].nextElementSibling.textContent"
    best = chart.find_element("css selector", ".scatterlayer .trace:first-child .point")
    deadline = time.monotonic() + 60
    while not run(browser, shown, chart):
        assert time.monotonic() < deadline
        webdriver.ActionChains(browser).move_to_element(chart).move_to_element(best).pause(0.2).perform()
    found = run(browser, "return sweep.trials[sweep.best]")
    assert f"trial {found['number']}, done: accuracy {found['score']:.4f}" in run(browser, shown, chart)
    for kind, words in (("slice", "trial "), ("importance", "%")):
        chart = one(browser, f"[data-chart={kind}]")
        run(browser, "arguments[0].focus()", chart)
        chart.send_keys("\ue014")  # right
        assert words in until(browser, shown, chart)
    slices = run(browser, "return [...document.querySelectorAll('[data-chart=slice]')].map(c => c.layout.xaxis.type)")
    assert slices == ["linear", "category", "log"], "each axis as its search"


def test_the_trials_are_sorted_by_what_was_searched(page: Callable) -> None:
    browser = page("sweep", 400)
    headings = browser.find_elements("css selector", "#sweep thead th")
    column = [each.text for each in headings].index("model.width")
    headings[column].find_element("css selector", "button").send_keys("\ue007")
    script = (
        "return [...document.querySelector('#sweep table').tBodies[0].rows].map(r => Number(r.cells[%d].innerText))"
    )
    widths = run(browser, script % column)
    assert widths == sorted(widths, reverse=True) and len(widths) == 12
    assert one(browser, "#sweep td.best").text.startswith(
        f"{run(browser, 'return sweep.trials[sweep.best].score'):.4f}"
    )
    assert "Trial 3 failed: the loss became infinite in epoch 3" in one(browser, "#sweep").text
    assert len(browser.find_elements("css selector", "details.run")) == 2


def test_folds_are_a_row_of_their_own_with_spread_and_error(page: Callable) -> None:
    browser = page("folds", 400)
    (row,) = browser.find_elements(
        "css selector", "#runs table:not(:first-of-type) tbody tr, #runs h3 + .scroll tbody tr"
    )
    assert "3 folds" in row.text and "±" in row.text and "(over " in row.text
    assert "Mean accuracy of 3 folds: " in one(browser, "#verdict").text
    scores = run(browser, "return [...document.querySelectorAll('#runs [data-value]')].map(each => each.dataset.value)")
    heading = one(browser, "#runs thead th:nth-child(5) button")
    heading.send_keys("\ue007")
    order = (
        "return [...document.querySelector('#runs table').tBodies[0].rows].map(r => Number(r.cells[4].dataset.value))"
    )
    assert scores and run(browser, order) == sorted(run(browser, order), reverse=True)


def test_a_described_section_shows_every_epoch_side_by_side(page: Callable) -> None:
    browser = page("hw1")
    titles = [each.text for each in browser.find_elements("css selector", "section.described > h2")]
    recipe = (ROOT / "recipes" / "hw1.yaml").read_text()
    assert len(titles) == 6 and all(f'title: "{title}"' in recipe for title in titles)
    maps = one(browser, "#section-2 .stages").find_elements("css selector", ".map")
    assert [each.find_element("css selector", "h5").text for each in maps] == ["Epoch 1", "Epoch 2"]
    places = run(browser, "return arguments[0].map(map => map.querySelector('.chart').data[0].x)", maps)
    assert places[0] != places[1] and maps[0].location["y"] == maps[1].location["y"]
    run(browser, "arguments[0].focus()", chart := maps[0].find_element("css selector", ".chart"))
    chart.send_keys("\ue014")
    until(browser, "return !document.getElementById('tip').hidden")
    masks = one(browser, "#section-6 .masks")
    captions = [each.text for each in masks.find_elements("css selector", "figcaption")][:3]
    assert "truth" in captions[0] and "epoch 1" in captions[1] and "epoch 2" in captions[2]
    slide(browser, masks.find_element("css selector", ".opacity"), "\ue011")
    until(browser, "return arguments[0].querySelector('canvas').style.opacity === '0'", masks)
    one(browser, "nav a[href='#section-4']").click()
    box = run(
        browser, "const b = document.querySelector('#section-4 h2').getBoundingClientRect(); return [b.top, b.bottom]"
    )
    assert 0 <= box[0] < box[1] <= 900
