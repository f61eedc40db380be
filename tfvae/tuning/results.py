"""The results of a search: trials read back, a table and a plot."""

import csv
import glob
import os

from tfvae.files import read_json, replacing

METRICS = (
    "nll",
    "nelbo",
    "reconstruction",
    "kl",
    "mi",
    "mi_cap",
    "active_units",
    "perplexity",
    "transfer_accuracy",
    "transfer_self_bleu",
    "transfer_joint",
)

_FIELDS = ("trial", "values", "epochs", "objective", "score", "metrics")


def files_of_trials(folder, name):
    """Returns the files of a name that trials of a search have, sorted.

    Args:
        folder: Path of the search.
        name: Str.
    """
    # Brackets in the folder's name are no pattern.
    return sorted(glob.glob(os.path.join(glob.escape(folder), "trials", "*", name)))


def read_results(folder):
    """Reads the finished trials of a search.

    Args:
        folder: Path of the search.

    Returns:
        List of dicts as in `trial.json`, in the order of the values: `trial`, an int;
        `values`, a dict of what was searched; `epochs`, the whole epochs trained;
        `objective`; `score`; `metrics`, a dict as of `tfvae.evaluation.evaluate` and
        the validation metric of the best epoch; and `folder`, the run folder.

    Raises:
        ValueError: If a file is damaged.
    """
    results = []
    for path in files_of_trials(folder, "trial.json"):
        result = read_json(path)
        missing = [name for name in _FIELDS if name not in result]
        if missing:
            raise ValueError(
                f"{path}: damaged, since {', '.join(missing)} is missing. Restore the "
                "file."
            )
        results.append({**result, "folder": os.path.dirname(path)})
    return sorted(results, key=lambda r: (*r["values"].values(), r["trial"]))


def read_errors(folder):
    """Reads the errors of failed trials, a dict from folder to the error's last line.

    Args:
        folder: Path of the search.
    """
    errors = {}
    for path in files_of_trials(folder, "error.txt"):
        with open(path, encoding="utf-8") as file:
            lines = file.read().strip().splitlines()
        name = os.path.relpath(os.path.dirname(path), folder)
        errors[name] = lines[-1] if lines else "no message"
    return errors


def best_of(results):
    """Returns the trial of the lowest score."""
    return min(results, key=lambda result: result["score"])


def rows_of(results):
    """Formats trials as rows.

    Args:
        results: List from `read_results`.

    Returns:
        List of dicts of the same keys: `trial`, what was searched, `epochs`, the
        objective where it is no other column, and those of `METRICS` that there are.
    """
    there = [n for n in METRICS if any(n in result["metrics"] for result in results)]
    rows = []
    for result in results:
        row = {"trial": result["trial"], **result["values"], "epochs": result["epochs"]}
        row.setdefault(result["objective"], result["score"])
        rows.append({**row, **{name: result["metrics"].get(name) for name in there}})
    return rows


def write_table(results, path):
    """Writes the trials as CSV, with their folders relative to the table's.

    Args:
        results: List from `read_results`.
        path: Path of the file.
    """
    rows = rows_of(results)
    base = os.path.dirname(path)
    for row, result in zip(rows, results, strict=True):
        row["folder"] = os.path.relpath(result["folder"], base)
    with replacing(path) as beside:
        with open(beside, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["trial"])
            writer.writeheader()
            writer.writerows(rows)


def format_results(results):
    """Formats the trials as text, the best one marked.

    Args:
        results: List from `read_results`, not empty.

    Returns:
        Str of aligned lines.
    """
    rows = rows_of(results)
    best = best_of(results)["trial"]
    searched = results[0]["values"]
    cells = [list(rows[0])]
    cells += [[_text(row[name], name in searched) for name in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = ["", *(" *" if row["trial"] == best else "" for row in rows)]
    lines = [
        "  ".join(map(str.rjust, line, widths)) + mark
        for line, mark in zip(cells, marks, strict=True)
    ]
    return "\n".join([*lines, f"* lowest {results[0]['objective']}"])


def _text(value, is_searched):
    if isinstance(value, float):
        return f"{value:g}" if is_searched else f"{value:.3f}"
    return "-" if value is None else str(value)


_PANELS = {
    "nll": "NLL",
    "reconstruction": "reconstruction",
    "kl": "KL",
    "mi": "mutual information",
}
_FULL = 4
# Nats; less than this is not drawn as if it were a trend.
_LEAST_SPAN = 0.2
_RING = {"markersize": 12, "fillstyle": "none", "color": "tab:red"}


def plot_results(results, path):
    """Draws the metrics of all trials over what was searched, as PNG and SVG.

    One row of panels for each of NLL (else the reconstruction), KL and mutual
    information, one column for each numeric option, up to four. The best trial is
    ringed, the cap of the mutual information dashed where it is near. Trials whose
    transfers of style were measured are drawn in files of their own too, whose names
    end with `-transfer`: the share that reaches the wanted label over how much of its
    source a sentence keeps.

    Args:
        results: List from `read_results`, not empty.
        path: Path of the files without their suffix.

    Returns:
        List of the paths written; without those of the panels where no option is a
        number or none of their metrics is there.

    Raises:
        ImportError: If matplotlib, the extra `tune`, is not installed.
    """
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tfvae"}):
        figures = {"": _draw(results), "-transfer": _draw_transfer(results)}
        written = []
        for ending, figure in figures.items():
            for suffix in ("png", "svg") if figure else ():
                written.append(f"{os.fspath(path)}{ending}.{suffix}")
                with replacing(written[-1]) as beside:
                    figure.savefig(beside, dpi=150)
        return written


def _draw(results):
    from matplotlib.figure import Figure

    names = [
        name
        for name, value in results[0]["values"].items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ][:_FULL]
    panels = [key for key in _PANELS if key in results[0]["metrics"]]
    panels = [key for key in panels if key != "reconstruction" or "nll" not in panels]
    if not names or not panels:
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
    title = f"ringed: lowest {best['objective']}, at {_values_of(best)}"
    figure.suptitle(title, fontsize=9)
    return figure


def _values_of(result):
    return ", ".join(f"{name}={value}" for name, value in result["values"].items())


def _draw_transfer(results):
    from matplotlib.figure import Figure

    results = [each for each in results if "transfer_accuracy" in each["metrics"]]
    if not results:
        return None
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.subplots()

    def place(result):
        metrics = result["metrics"]
        return metrics["transfer_self_bleu"], metrics["transfer_accuracy"]

    axes.plot(*zip(*map(place, results), strict=True), "o", color="tab:blue")
    names = list(results[0]["values"])
    for result in results:
        # The one name that was searched is said once.
        values = result["values"]
        label = str(values[names[0]]) if len(names) == 1 else _values_of(result)
        axes.annotate(
            label,
            place(result),
            xytext=(4, 6),
            textcoords="offset points",
            fontsize=8,
        )
    best = best_of(results)
    axes.plot(*([each] for each in place(best)), "o", **_RING)
    axes.set_xlabel("content: BLEU with the source")
    axes.set_ylabel("accuracy: share that reaches the label")
    axes.grid(True, alpha=0.3)
    axes.margins(0.15)
    # Where all reach the label the differences are nothing to look at.
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, high - 0.2), min(high, 1.03))
    searched = f"each point a value of {names[0]}; " if len(names) == 1 else ""
    figure.suptitle(f"{searched}ringed: lowest {best['objective']}", fontsize=9)
    return figure


def _panel(axes, results, name, key, alone):
    xs = [result["values"][name] for result in results]
    ys = [result["metrics"].get(key) for result in results]
    axes.plot(xs, ys, "o-" if alone else "o", color="tab:blue", markersize=5)
    best = best_of(results)
    axes.plot([best["values"][name]], [best["metrics"].get(key)], "o", **_RING)
    if key == "mi":
        cap = results[0]["metrics"]["mi_cap"]
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
