"""The report's plots: curves of training, and how any picture is drawn."""

import io
import math
import re
import typing

import numpy as np

from tfvae.evaluation.metrics import METRICS

_FIRST = ("loss", "nelbo", "nll", "reconstruction", "kl")


def curves(records):
    """Draws every column of the histories, all runs in one picture.

    Args:
        records: List of `RunRecord`.

    Returns:
        List of `Picture`, one for each term or metric: training dashed, validation
        with marks, and the schedule's weight below where it changes.
    """
    names = {
        _base(column)
        for record in records
        for column in record.history
        if column != "epoch"
    }
    order = [name for name in _FIRST if name in names]
    order += sorted(names - set(order))
    return [_curve(records, name) for name in order]


def _base(column):
    return column.removeprefix("val_").removesuffix("_weight")


def _curve(records, name):
    """Draws one metric of all runs."""
    weights = [record.history.get(f"{name}_weight") for record in records]
    varying = any(weight and np.ptp(weight) > 0 for weight in weights)

    def paint(*axes):
        for index, record in enumerate(records):
            epochs = [epoch + 1 for epoch in record.history.get("epoch", [])]
            style = {"color": SERIES[index % len(SERIES)]}
            marker = MARKERS[index % len(MARKERS)]
            if name in record.history:
                axes[0].plot(epochs, record.history[name], "--", **style, alpha=0.8)
            if f"val_{name}" in record.history:
                values = record.history[f"val_{name}"]
                axes[0].plot(epochs, values, marker=marker, markersize=4, **style)
            if varying and weights[index]:
                axes[1].plot(
                    epochs, weights[index], marker=marker, markersize=3, **style
                )
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.get_major_locator().set_params(integer=True, nbins=6)
        axes[0].yaxis.get_major_locator().set_params(nbins=6)
        if varying:
            axes[1].set_ylabel("weight")
            axes[1].yaxis.get_major_locator().set_params(nbins=2)

    rows = (3, 1) if varying else (1,)
    svg = draw(f"curve-{name}", paint, rows=rows, height=292 if varying else 232)
    metric = METRICS.get(name)
    title = metric.name.strip() if metric else name
    unit = "nats/sentence" if name == "loss" else metric.unit if metric else ""
    alt = "; ".join(filter(None, (_ends(record, name) for record in records)))
    caption = _constant_weights(records, weights)
    return Picture(f"{title}, {unit}" if unit else title, svg, alt, caption)


def _ends(record, name):
    """Formats the course of a curve."""
    parts = []
    for key, what in ((name, "training"), (f"val_{name}", "validation")):
        values = [v for v in record.history.get(key, ()) if not math.isnan(v)]
        if values:
            parts.append(f"{what} from {values[0]:.4g} to {values[-1]:.4g}")
    if not parts:
        return None
    epochs = len(record.history["epoch"])
    return f"{record.name} over {epochs} epochs: {', '.join(parts)}"


def _constant_weights(records, weights):
    found = {
        record.name: weight[0]
        for record, weight in zip(records, weights, strict=True)
        if weight and np.ptp(weight) == 0
    }
    if len(set(found.values())) == 1 and len(found) == sum(map(bool, weights)):
        return f"Weight {next(iter(found.values())):.4g} throughout."
    words = (f"{name} {weight:.4g}" for name, weight in found.items())
    return f"Weight throughout: {', '.join(words)}." if found else ""


def plane(records):
    """Draws reconstruction over KL, the epochs of each run as a path.

    Args:
        records: List of `RunRecord`.

    Returns:
        A `Picture`, or `None` where no run has both metrics.
    """
    paths = [_path(record) for record in records]
    points = [_measured(record) for record in records]
    everything = [np.asarray(path, float) for path in paths if path]
    everything += [np.asarray(each, float).reshape(-1, 2) for each in points if each]
    if not everything:
        return None
    everything = np.concatenate(everything)

    def paint(axes):
        for index, record in enumerate(records):
            color = SERIES[index % len(SERIES)]
            marker = MARKERS[index % len(MARKERS)]
            if paths[index]:
                xs, ys = np.transpose(paths[index])
                axes.plot(xs, ys, marker=marker, color=color, markersize=3, linewidth=1)
                row = record.best_row
                kept = {"color": color, "markersize": 11}
                if row is not None:
                    axes.plot(xs[row], ys[row], marker, **kept, markeredgecolor=INK)
            for x, y in points[index]:
                axes.plot(x, y, "*", color=color, markersize=15, markeredgecolor=INK)
        axes.margins(0.08)
        _levels(axes, everything.sum(axis=1))
        axes.set_xlabel("KL, nats/sentence")
        axes.set_ylabel("reconstruction, nats/sentence")

    words = []
    for record, path, measured in zip(records, paths, points, strict=True):
        if path:
            x, y = path[record.best_row if record.best_row is not None else -1]
            words.append(f"{record.name} at KL {x:.2f}, reconstruction {y:.2f}")
        words += [
            f"{record.name} measured at KL {x:.2f}, reconstruction {y:.2f}"
            for x, y in measured
        ]
    svg = draw("plane", paint, height=300)
    return Picture("KL and reconstruction", svg, "; ".join(words))


def _path(record):
    """Returns KL and reconstruction after each epoch, of validation where there is."""
    history = record.history
    for prefix in ("val_", ""):
        kl, reconstruction = f"{prefix}kl", f"{prefix}reconstruction"
        if kl in history and reconstruction in history:
            return list(zip(history[kl], history[reconstruction], strict=True))
        if f"{prefix}nll" in history and f"{prefix}nelbo" not in history:
            # Without a latent all is reconstruction.
            return [(0.0, nll) for nll in history[f"{prefix}nll"]]
    return []


def _measured(record):
    found = []
    for _, metrics in record.results:
        if "kl" in metrics and "reconstruction" in metrics:
            found.append((metrics["kl"], metrics["reconstruction"]))
        elif metrics.get("nll_method", "exact") == "exact" and "nll" in metrics:
            if "nelbo" not in metrics:
                found.append((0.0, metrics["nll"]))
    return found


def _levels(axes, sums):
    """Draws lines of equal negative ELBO."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    axes.set_autoscale_on(False)
    first, last = np.nanmin(sums), np.nanmax(sums)
    for level in np.linspace(first, last, 4) if last > first else ():
        axes.plot([left, right], [level - left, level - right], ":", color=MUTED, lw=1)
        if low < level - right < high:
            axes.annotate(
                f"{level:.1f}",
                (right, level - right),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=MUTED,
            )


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
            len(rows), sharex=True, squeeze=False, height_ratios=rows
        )[:, 0]
        paint(*axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue(), name)


def _inline(svg, name):
    """Turns an SVG file into a part of a page."""
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
