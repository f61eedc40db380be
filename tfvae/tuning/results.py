"""The results of a search: reading them from its folder, tables."""

import csv
import glob
import json
import os

FIGURES = (
    "nll",
    "nelbo",
    "reconstruction",
    "kl",
    "mi",
    "mi_cap",
    "active_units",
    "perplexity",
)


def read_results(folder):
    """Reads the finished trials of a search.

    Args:
        folder: Path of the search.

    Returns:
        List of dicts as in `trial.json`, in the order of the values: `trial`, an int;
        `values`, a dict of what was searched; `epochs`, the whole epochs trained;
        `objective`; `score`; `figures`, a dict as of `tfvae.evaluation.evaluate` and
        the validation figure of the best epoch; and `folder`, the run folder.
    """
    results = []
    for path in glob.glob(os.path.join(folder, "trials", "*", "trial.json")):
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        results.append({**result, "folder": os.path.dirname(path)})
    return sorted(results, key=lambda r: (*r["values"].values(), r["trial"]))


def read_errors(folder):
    """Reads the errors of failed trials, a dict from folder to the error's last line.

    Args:
        folder: Path of the search.
    """
    errors = {}
    for path in sorted(glob.glob(os.path.join(folder, "trials", "*", "error.txt"))):
        with open(path, encoding="utf-8") as file:
            lines = file.read().strip().splitlines()
        name = os.path.relpath(os.path.dirname(path), folder)
        errors[name] = lines[-1] if lines else "no message"
    return errors


def best_of(results):
    """Gives the trial of the lowest score."""
    return min(results, key=lambda result: result["score"])


def rows_of(results):
    """Lays out trials as rows.

    Args:
        results: List from `read_results`.

    Returns:
        List of dicts of the same keys: `trial`, what was searched, `epochs`, the
        objective where it is no other column, and those of `FIGURES` that there are.
    """
    there = [n for n in FIGURES if any(n in result["figures"] for result in results)]
    rows = []
    for result in results:
        row = {"trial": result["trial"], **result["values"], "epochs": result["epochs"]}
        row.setdefault(result["objective"], result["score"])
        rows.append({**row, **{name: result["figures"].get(name) for name in there}})
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
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["trial"])
        writer.writeheader()
        writer.writerows(rows)


def format_results(results):
    """Lays out the trials as text, the best one marked.

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
