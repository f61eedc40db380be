"""Pictures of how training went."""

import math

import numpy as np

from tfvae.evaluation.measures import MEASURE_FIGURES
from tfvae.reporting.svg import INK, MARKERS, MUTED, SERIES, Picture, draw

_FIRST = ("loss", "nelbo", "nll", "reconstruction", "kl")


def curves(records):
    """Draws every column of the histories, all runs together.

    Args:
        records: List of `RunRecord`.

    Returns:
        List of `Picture`, one for each term or figure: training dashed, validation
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
    """Draws one figure of all runs."""
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
    figure = MEASURE_FIGURES.get(name)
    title = figure.name.strip() if figure else name
    unit = "nats/sentence" if name == "loss" else figure.unit if figure else ""
    alt = "; ".join(filter(None, (_ends(record, name) for record in records)))
    caption = _constant_weights(records, weights)
    return Picture(f"{title}, {unit}" if unit else title, svg, alt, caption)


def _ends(record, name):
    """Words the course of a curve."""
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
    """Draws reconstruction over KL, each run's epochs a path.

    Args:
        records: List of `RunRecord`.

    Returns:
        A `Picture`, or `None` where no run has both figures.
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
    """Gives KL and reconstruction after each epoch, of validation where there is."""
    history = record.history
    for prefix in ("val_", ""):
        if f"{prefix}kl" in history and f"{prefix}reconstruction" in history:
            return list(
                zip(
                    history[f"{prefix}kl"],
                    history[f"{prefix}reconstruction"],
                    strict=True,
                )
            )
        if f"{prefix}nll" in history and f"{prefix}nelbo" not in history:
            # Without a latent all is reconstruction.
            return [(0.0, nll) for nll in history[f"{prefix}nll"]]
    return []


def _measured(record):
    found = []
    for _, figures in record.results:
        if "kl" in figures and "reconstruction" in figures:
            found.append((figures["kl"], figures["reconstruction"]))
        elif figures.get("nll_method", "exact") == "exact" and "nll" in figures:
            if "nelbo" not in figures:
                found.append((0.0, figures["nll"]))
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
