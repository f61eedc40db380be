"""Plots of a search: what was searched against likelihood, KL and information."""

import os

from tfvae.tuning.results import best_of

_PANELS = {
    "nll": "NLL",
    "reconstruction": "reconstruction",
    "kl": "KL",
    "mi": "mutual information",
}
_FULL = 4
# Nats; less than this is not drawn as if it were a trend.
_LEAST_SPAN = 0.2


def plot_results(results, path):
    """Draws the figures of all trials over what was searched, as PNG and SVG.

    One row of panels for each of NLL (else the reconstruction), KL and mutual
    information, one column for each numeric option, up to four. The best trial is
    ringed, the cap of the mutual information dashed where it is near.

    Args:
        results: List from `read_results`, not empty.
        path: Path of the files without their suffix.

    Returns:
        List of the paths written; empty where no option is a number.

    Raises:
        ImportError: If matplotlib, the extra `tune`, is not installed.
    """
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tfvae"}):
        figure = _draw(results)
        if figure is None:
            return []
        paths = [f"{os.fspath(path)}.{suffix}" for suffix in ("png", "svg")]
        for each in paths:
            figure.savefig(each, dpi=150)
        return paths


def _draw(results):
    from matplotlib.figure import Figure

    names = [
        name
        for name, value in results[0]["values"].items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ][:_FULL]
    panels = [key for key in _PANELS if key in results[0]["figures"]]
    panels = [key for key in panels if key != "reconstruction" or "nll" not in panels]
    if not names:
        return None
    size = (1.0 + 4.2 * len(names), 0.9 + 2.0 * len(panels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(
        len(panels), len(names), sharex="col", sharey="row", squeeze=False
    )
    alone = len(results[0]["values"]) == 1
    for row, key in enumerate(panels):
        for column, name in enumerate(names):
            _panel(axes[row, column], results, name, key, alone)
        axes[row, 0].set_ylabel(f"{_PANELS[key]}\n(nats)")
    for column, name in enumerate(names):
        axes[-1, column].set_xlabel(name)
    best = best_of(results)
    at = ", ".join(f"{name}={value}" for name, value in best["values"].items())
    figure.suptitle(f"ringed: lowest {best['objective']}, at {at}", fontsize=9)
    return figure


def _panel(axes, results, name, key, alone):
    xs = [result["values"][name] for result in results]
    ys = [result["figures"].get(key) for result in results]
    axes.plot(xs, ys, "o-" if alone else "o", color="tab:blue", markersize=5)
    best = best_of(results)
    ring = {"markersize": 12, "fillstyle": "none", "color": "tab:red"}
    axes.plot([best["values"][name]], [best["figures"].get(key)], "o", **ring)
    if key == "mi":
        cap = results[0]["figures"]["mi_cap"]
        if max(ys) > 0.8 * cap:
            axes.axhline(cap, color="gray", linestyle="--", linewidth=1)
            axes.annotate("cap", (1, cap), xycoords=("axes fraction", "data"))
    if min(xs) > 0 and max(xs) / min(xs) >= 20:
        axes.set_xscale("log")
    axes.grid(True, alpha=0.3)
    axes.margins(0.06, 0.15)
    low, high = axes.get_ylim()
    if high - low < _LEAST_SPAN:
        middle = (low + high) / 2
        axes.set_ylim(middle - _LEAST_SPAN / 2, middle + _LEAST_SPAN / 2)
