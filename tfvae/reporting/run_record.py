"""A run, read from its folder."""

import csv
import dataclasses
import glob
import json
import math
import os
import shlex
import typing

from tfvae.evaluation.metrics import METRICS
from tfvae.training import RunConfiguration, RunFolder

_NO_METRICS = ("recipe.json", "state.json")


class Result(typing.NamedTuple):
    """Metrics of one evaluation.

    Attributes:
        source: Str, where they are from.
        metrics: Dict as of `tfvae.evaluation.evaluate`.
    """

    source: str
    metrics: dict


@dataclasses.dataclass
class RunRecord:
    """All that a report shows of one run.

    Attributes:
        name: Str, by which the page calls the run.
        folder: `RunFolder`.
        configuration: `RunConfiguration`.
        state: Dict of `RunFolder.load_state`, or `None`.
        history: Dict from a column of `history.csv` to its floats, NaN where empty.
        results: List of `Result`.
        components: Dict from a component of the model to its class's name, empty
            without a model.
        latent_summary: `LatentSummary`, or `None`.
        samples: `Samples`, sentences that the model wrote, or `None`.
        notes: List of sentences on what is missing and why.
    """

    name: str
    folder: RunFolder
    configuration: RunConfiguration
    state: dict | None
    history: dict
    results: list
    components: dict = dataclasses.field(default_factory=dict)
    latent_summary: typing.Any = None
    samples: typing.Any = None
    notes: list = dataclasses.field(default_factory=list)

    @property
    def best_row(self):
        """Index into the history of the epoch whose model is kept, or `None`."""
        best = (self.state or {}).get("best_epoch")
        epochs = self.history.get("epoch", [])
        return epochs.index(best - 1) if best and best - 1 in epochs else None

    @property
    def has_model(self):
        """Whether the run has finished an epoch."""
        return os.path.exists(self.folder.model)


def read_run(path, name=None):
    """Reads a run folder except for its model.

    Args:
        path: Path of the folder.
        name: Str, or `None` for the folder's own name.

    Returns:
        A `RunRecord`.

    Raises:
        FileNotFoundError: If the folder holds no run.
        ValueError: If one of its files is damaged.
    """
    folder = RunFolder(path)
    record = RunRecord(
        name=name or os.path.basename(os.path.abspath(path)),
        folder=folder,
        configuration=folder.load_configuration(),
        state=folder.load_state(),
        history=read_history(folder.history),
        results=list(_kept_results(folder.path)),
    )
    state = record.state
    if state is None:
        record.notes.append("The run has not finished an epoch: there is no model yet.")
    elif not (state["finished"] or state["stopped"]):
        record.notes.append(
            f"The run is unfinished: {state['epoch']} epochs are done, and all metrics "
            "are of what there is so far."
        )
    return record


def read_history(path):
    """Reads the curves of a run.

    Args:
        path: Path of `history.csv`.

    Returns:
        Dict from column to list of floats, `epoch` as ints; NaN where a cell is empty.
        Empty where there is no file or no row.

    Raises:
        ValueError: If a row is malformed.
    """
    if not os.path.exists(path):
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    # A kill or a full disk may leave a blank line.
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {number}: the header names {len(header)} columns. "
                f"Received: {len(row)}"
            )
    columns = zip(header, zip(*rows, strict=True), strict=True) if rows else ()
    found = {name: [_number(cell, path) for cell in cells] for name, cells in columns}
    if "epoch" in found:
        found["epoch"] = [int(epoch) for epoch in found["epoch"]]
    return found


def command_of(configuration, out):
    """Formats the command that trains by a configuration.

    Args:
        configuration: `RunConfiguration`.
        out: Path of the run folder.

    Returns:
        Str, for a shell, an option a line.
    """
    options = [["--train", configuration.train]]
    flags = {"header": "--no-header", "start_from": "--from"}
    for field in dataclasses.fields(configuration):
        value = getattr(configuration, field.name)
        flag = flags.get(field.name, "--" + field.name.replace("_", "-"))
        if field.name in ("preset", "train", "overrides") or value == field.default:
            continue
        options.append([flag] if isinstance(value, bool) else [flag, str(value)])
    if configuration.overrides:
        pairs = configuration.overrides.items()
        options.append(["--set", *(f"{key}={value}" for key, value in pairs)])
    options.append(["--out", out])
    lines = [["tfvae", "train", configuration.preset], *options]
    return " \\\n  ".join(map(shlex.join, lines))


def _kept_results(path):
    """Yields the evaluations that lie in a run folder."""
    for file in sorted(glob.glob(os.path.join(glob.escape(path), "*.json"))):
        name = os.path.basename(file)
        if name in _NO_METRICS:
            continue
        with open(file, encoding="utf-8") as stream:
            try:
                content = json.load(stream)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{file}: not JSON ({error}). Delete the file, or write it again "
                    "by `tfvae evaluate --json`."
                ) from error
        if isinstance(content, dict):
            # A trial of `tfvae tune` keeps its metrics one level below.
            metrics = content.get("metrics", content)
            if isinstance(metrics, dict) and set(metrics) & set(METRICS):
                yield Result(name, metrics)


def _number(cell, path):
    if cell in ("", "NA"):
        return math.nan
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(
            f"{path}: cells must be numbers. Received: {cell!r}"
        ) from error
