import importlib.resources
import re

import pytest

from tfvae.reporting.plots import INK, MUTED, SERIES, draw


@pytest.fixture(scope="module")
def themes():
    """The page's colours, light and dark, a dict from name to luminance each."""
    files = importlib.resources.files("tfvae.reporting") / "templates"
    css = (files / "report.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return [
        {name: _luminance(value) for name, value in _COLOR.findall(block)}
        for block in blocks
    ]


_COLOR = re.compile(r"--([\w-]+): #([0-9a-f]{6})")


def _luminance(color):
    values = (int(color[i : i + 2], 16) / 255 for i in (0, 2, 4))
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in values
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one, other):
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)


def test_contrast_in_both_themes(themes):
    assert len(themes) == 2
    for colors in themes:
        for paper in ("paper", "card"):
            for name in ("ink", "muted", "link", "warn"):
                assert _contrast(colors[name], colors[paper]) >= 4.5, name
        for index in range(len(SERIES)):
            assert _contrast(colors[f"series-{index}"], colors["paper"]) >= 3.0, index


def test_colours_follow_the_theme():
    def paint(axes):
        axes.plot([0, 1], [0, 1], color=SERIES[1])
        axes.set_xlabel("a < b")

    svg = draw("one", paint)
    assert "var(--series-1)" in svg and "var(--ink)" in svg and "a &lt; b" in svg
    assert not any(color in svg for color in (INK, MUTED, *SERIES))
    assert "width=" not in svg.split(">")[0] and "http" not in svg
    assert svg == draw("one", paint)
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids and all(name.startswith("one-") for name in ids)
