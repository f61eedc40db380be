"""The page in a real browser."""

import shutil

import pytest
from selenium import webdriver

_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, _NAMES)), None)
DRIVER = shutil.which("chromedriver")
if BROWSER is None or DRIVER is None:
    missing = "chromedriver" if BROWSER else f"a browser ({', '.join(_NAMES)})"
    pytest.skip(
        f"{missing} is needed on PATH to show the page", allow_module_level=True
    )

_FLAGS = """--headless --no-sandbox --disable-gpu --no-first-run --disable-sync
--disable-background-networking --disable-component-update"""
# The sizes in pixels of text in pictures, which scale, and elsewhere.
_TEXT_SIZES = """
const sizes = [];
for (const text of document.querySelectorAll("svg text")) {
  const svg = text.ownerSVGElement;
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  sizes.push(parseFloat(getComputedStyle(text).fontSize) * scale);
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (node.data.trim() && !node.parentElement.closest("svg"))
    sizes.push(parseFloat(getComputedStyle(node.parentElement).fontSize));
}
return sizes;
"""
_BOXES = """
return [...document.querySelectorAll("table, svg")].map(element => {
  const box = element.getBoundingClientRect();
  return [box.width, box.height];
});
"""
# What reaches beyond the window and is not inside a container that scrolls.
_BEYOND = """
return [...document.querySelectorAll("main *")].filter(element =>
  !element.closest(".scroll") && element.getBoundingClientRect().right > innerWidth + 1
).map(element => element.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def driver(html, tmp_path_factory):
    """A browser that shows the page from a file."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "page.html").write_text(html, encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in [*_FLAGS.split(), f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        driver.get((folder / "page.html").as_uri())
        yield driver
    finally:
        driver.quit()


def _set_width(driver, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert driver.execute_script("return innerWidth") == width


def test_no_error_and_no_request(driver):
    assert driver.get_log("browser") == []
    requests = [
        entry["message"]
        for entry in driver.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert requests
    assert not any('"url":"http' in request for request in requests)


@pytest.mark.parametrize("width", [1280, 400])
def test_layout(driver, html, width):
    _set_width(driver, width)
    root = "return document.documentElement.scrollWidth"
    assert driver.execute_script(root) <= width
    assert driver.execute_script(_BEYOND) == []
    boxes = driver.execute_script(_BOXES)
    assert len(boxes) == html.count("<svg") + html.count("<table")
    assert all(w > 200 and h > 100 for w, h in boxes)
    sizes = driver.execute_script(_TEXT_SIZES)
    assert len(sizes) > 300 and min(sizes) >= 14.0


@pytest.mark.parametrize("width", [1280, 400])
def test_definitions_show_on_hover_and_on_focus(driver, width):
    _set_width(driver, width)
    away = driver.find_element("css selector", "h1")
    webdriver.ActionChains(driver).move_to_element(away).perform()
    driver.execute_script("document.activeElement.blur()")
    for key, act in (("nll", "focus"), ("mi", "hover")):
        tip = driver.find_element("id", f"tip-{key}")
        assert not tip.is_displayed()
        term = driver.find_element("css selector", f"[aria-describedby=tip-{key}]")
        if act == "focus":
            driver.execute_script("arguments[0].focus()", term)
        else:
            webdriver.ActionChains(driver).move_to_element(term).perform()
        assert tip.is_displayed()
        box = driver.execute_script(
            "const box = arguments[0].getBoundingClientRect();"
            "return [box.left, box.right, box.top, box.bottom]",
            tip,
        )
        assert box[0] >= 0 and box[1] <= width and box[2] >= 0 and box[3] <= 800
        at = ((box[0] + box[1]) / 2, (box[2] + box[3]) / 2)
        # Nothing lies over it, not even what is pointed at while another is focused.
        on_top = driver.execute_script(
            "return document.elementFromPoint(...arguments[0]).closest('.tip')?.id", at
        )
        assert on_top == f"tip-{key}"


def test_dark_theme(driver):
    color = "return getComputedStyle(document.body).backgroundColor"
    found = []
    for theme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        found.append(driver.execute_script(color))
    assert found == ["rgb(255, 255, 255)", "rgb(22, 24, 28)"]
