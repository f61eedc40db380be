"""Matplotlib figures as pictures of a page, in the colours of its theme."""

import io
import re
import typing

# Colours to draw with; each becomes the page's variable of the same name, so that a
# picture is legible in its light and its dark theme.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = ("#04040a", "#04040b", "#04040c", "#04040d", "#04040e", "#04040f")
MARKERS = ("o", "s", "^", "D", "v", "P")
# The markers as characters, for the legend.
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")

_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid"}
_VARIABLES |= {color: f"--series-{index}" for index, color in enumerate(SERIES)}
# Units of the picture: it is shown at least as wide in pixels, so no text is smaller.
WIDTH = 352
FONT_SIZE = 14
_STYLE = {
    "svg.fonttype": "none",
    # Comes with matplotlib and is wide: what the page's font needs less is air.
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 2,
    "legend.frameon": False,
}


class Picture(typing.NamedTuple):
    """A picture of the page.

    Attributes:
        title: Str.
        svg: Str, an `<svg>` element.
        alt: Str, what is to be seen.
        caption: Str.
    """

    title: str
    svg: str
    alt: str
    caption: str = ""


def draw(name, paint, *, height=232, rows=(1,)):
    """Draws a picture.

    Args:
        name: Str, different for each picture of a page.
        paint: Callable of the axes, one for each of `rows`, above each other and with
            a common horizontal axis.
        height: Positive int, in units of which the picture is `WIDTH` wide.
        rows: Sequence of positive floats, the axes' relative heights.

    Returns:
        Str, an `<svg>` element without fixed size, whose ids begin with the name.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):
        size = (WIDTH / 72, height / 72)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(
            len(rows), sharex=True, squeeze=False, height_ratios=list(rows)
        )[:, 0]
        paint(*axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue(), name)


def _inline(svg, name):
    """Makes an SVG file a part of a page."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head).group()
    svg = f'<svg {box} aria-hidden="true" focusable="false">{rest}'
    # Several pictures share a page, so their ids must differ.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\g<1>#{name}-", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg
