"""The page in a real browser: it asks for nothing, sorts, and tells the runs."""

import json
import shutil

import pytest

from research.reporting.build import build_tables
from research.reporting.grid.grid import read_grid
from research.reporting.render.page import build_page

pytestmark = pytest.mark.thorough
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def grid(finished):
    return read_grid(finished)


@pytest.fixture(scope="module")
def page(finished):
    return build_tables(finished)[1]["page.html"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium with a profile of its own and a log of all that it asks for."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its chromedriver is installed")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def opened(browser, page, tmp_path):
    """The page, opened from disk."""
    file = tmp_path / "page.html"
    file.write_bytes(page)
    browser.get("about:blank")
    for kind in ("performance", "browser"):
        browser.get_log(kind)  # what the browser itself began with
    browser.get(file.as_uri())
    return browser


def texts(browser, column):
    """What stands in a column of the first table, part by part."""
    return browser.execute_script(
        "return [...document.querySelector('table').tBodies].map(body => [...body.rows]"
        ".filter(row => row.cells.length > 1).map(row => row.cells[arguments[0]].textContent))",
        column,
    )


def head(browser, column):
    return browser.execute_script(
        "return document.querySelector('table').tHead.rows[1].cells[arguments[0]]", column
    )


def shown(browser):
    """The text of the box beside the pointer, empty where there is none."""
    return browser.execute_script(
        "const box = document.querySelector('.tip'); return box.hidden ? '' : box.textContent"
    )


def test_it_opens_from_disk_asks_for_nothing_and_has_no_errors(opened):
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)
    assert opened.get_log("browser") == []
    svgs = opened.execute_script(
        "return [...document.querySelectorAll('svg.panel')].map(svg => svg.getBBox().width)"
    )
    assert len(svgs) >= 14 and min(svgs) > 200


def test_a_click_on_a_head_sorts_the_rows_of_each_part(opened):
    before = texts(opened, 1)
    first, second, third = [], [], []
    for kept in (first, second, third):
        head(opened, 1).find_element("tag name", "button").click()
        kept += texts(opened, 1)
    numbers = [[float(text.split()[0]) for text in part] for part in first]
    assert numbers == [sorted(part, reverse=True) for part in numbers]
    assert len(numbers) == 2 and numbers[0][0] > numbers[0][-1]
    assert second == [part[::-1] for part in first] and third == before
    head(opened, 5).find_element("tag name", "button").click()  # 1.2 M above 12.3 k above 0
    assert texts(opened, 5)[0] == ["1.2 M", "12.3 k", "0", "0"]
    assert head(opened, 5).get_attribute("aria-sort") == "descending"


def test_pointing_at_a_number_or_a_point_shows_its_runs(opened, grid):
    from selenium.webdriver import ActionChains

    cell = grid.cell("LoRA", ("sentiment", "16-shot"))
    ids = " ".join(run.run_id for run in cell.runs)
    row = "[data-row='3']"
    for place in (f"table tr{row} td", f"#parameters {row} .point"):
        assert shown(opened) == ""
        target = opened.find_element("css selector", place)
        opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
        ActionChains(opened).move_to_element(target).perform()
        assert shown(opened).endswith(f"runs {ids}") and "LoRA" in shown(opened)
        ActionChains(opened).move_to_element(
            opened.find_element("css selector", "figcaption")
        ).perform()


def test_pointing_at_the_key_lets_the_others_fade(opened):
    from selenium.webdriver import ActionChains

    target = opened.find_element("css selector", ".key [data-row='4']")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    ActionChains(opened).move_to_element(target).perform()
    opened.execute_script(
        "document.querySelectorAll('.approach').forEach(e => e.style.transition='none')"
    )
    seen = opened.execute_script(
        "return [...document.querySelectorAll('#parameters svg .approach')]"
        ".map(one => [one.dataset.row, getComputedStyle(one).opacity])"
    )
    assert {row for row, opacity in seen if opacity == "1"} == {"4"}
    assert len({row for row, _ in seen}) == 6


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    found = opened.execute_script("return document.documentElement.scrollWidth")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert found <= width


def test_tables_need_no_scrolling_at_1280_pixels(browser, finished, grid, tmp_path):
    """Twelve columns of scores and four of costs."""
    table = build_tables(finished)[0][0]
    file = tmp_path / "wide.html"
    file.write_text(build_page(grid, table.select([0, 1, 2, 3] * 3 + [4, 5, 6, 7]), {}))
    browser.get(file.as_uri())
    tables = browser.execute_script(
        "return [...document.querySelectorAll('.wide')]"
        ".map(wide => [wide.scrollWidth, wide.clientWidth, wide.textContent])"
    )
    assert len(tables) > 2 and all(needed <= room for needed, room, _ in tables)
    assert any("parameters" in text and "seconds" in text for *_, text in tables)


def test_dark_paper_has_light_ink(opened):
    colors = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        script = (
            "const s = getComputedStyle(arguments[0]); return [s.backgroundColor, s.color]"
            ".map(c => c.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))"
        )
        html = opened.find_element("css selector", "html")
        colors.append(opened.execute_script(script, html))
    assert colors[0][0] > 700 and colors[0][1] < 120
    assert colors[1][0] < 120 and colors[1][1] > 600
