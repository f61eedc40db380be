"""The report's page and its tables."""

import dataclasses
import json
import typing

import keras
import tensorflow as tf

from tfvae import __version__
from tfvae.checks import require_extra
from tfvae.evaluation.metrics import METRICS
from tfvae.presets import get_preset
from tfvae.reporting.collect import collect_runs
from tfvae.reporting.run_record import command_of


def make_report(folders, data=None, **options):
    """Creates one HTML page about runs; leaves their folders as they are.

    The page holds all its pictures and needs no network: metrics with their
    definitions, curves of training, the plane of KL and reconstruction, pictures of the
    latent space, sentences to read, and how each run was made.

    Args:
        folders: List of paths of run folders, at least one.
        data: `LabelledText`, or `None` for a report without what needs sentences.
        **options: Fields of `tfvae.reporting.collect.ReportOptions`.

    Returns:
        Str, the page.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If the extra `report` is not installed, or as
            `collect_runs`.
    """
    check_extra()
    return render(collect_runs(folders, data, **options), data)


def check_extra():
    """Checks that what the page is made with is installed.

    Raises:
        ValueError: If it is not.
    """
    require_extra("report", "A report", "jinja2", "matplotlib")


def render(records, data=None):
    """Renders the page.

    Args:
        records: List of `RunRecord` from `collect_runs`.
        data: The `LabelledText` that they were collected with, or `None`.

    Returns:
        Str, HTML.

    Raises:
        ValueError: If the extra `report` is not installed.
    """
    check_extra()
    import jinja2

    from tfvae.reporting.latent_pictures import label_groups, latent_pictures
    from tfvae.reporting.plots import GLYPHS, SERIES, curves, plane

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfvae.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["marked"] = _marked
    columns = columns_of(records)
    labels = [
        label
        for record in records
        if record.latent_summary is not None
        for label in record.latent_summary.labels or ()
    ]
    return environment.get_template("report.html").render(
        title=", ".join(record.name for record in records),
        runs=[_run(record, index) for index, record in enumerate(records)],
        data=data,
        columns=columns,
        table=table_of(columns),
        verdicts=verdicts(columns),
        curves=curves(records),
        plane=plane(records),
        latents=[
            (record.name, latent_pictures(record.latent_summary, f"run{index}"))
            for index, record in enumerate(records)
            if record.latent_summary is not None
        ],
        labels=label_groups(labels) if labels else [],
        reconstructions=_side_by_side(records, "reconstructions"),
        interpolations=_side_by_side(records, "interpolations"),
        responses=_side_by_side(records, "responses"),
        labelled=_side_by_side(records, "labelled"),
        transferred=_side_by_side(records, "transferred"),
        glyphs=GLYPHS,
        num_series=len(SERIES),
        versions={
            "tfvae": __version__,
            "TensorFlow": tf.__version__,
            "Keras": keras.__version__,
        },
    )


def _marked(text):
    """Renders what stands between backticks as code."""
    from markupsafe import Markup, escape

    words = (
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(text.split("`"))
    )
    return Markup("").join(words)


def _run(record, index):
    """Returns what the page shows of one run."""
    preset = get_preset(record.configuration.preset)
    state = record.state or {}
    notes = list(record.notes)
    for source, metrics in record.results:
        notes += [f"{source}: {note}" for note in metrics.get("notes", ())]
    return {
        "index": index,
        "name": record.name,
        "path": record.folder.path,
        "preset": preset,
        "configuration": record.configuration,
        "epochs": state.get("epoch", 0),
        "best": state.get("best"),
        "best_epoch": state.get("best_epoch"),
        "ended": _ended(state),
        "components": record.components,
        "notes": notes,
        "generated": record.samples.generated if record.samples else [],
        "command": command_of(record.configuration, record.folder.path),
        "configuration_json": json.dumps(
            dataclasses.asdict(record.configuration), indent=2
        ),
    }


def _ended(state):
    if state.get("stopped"):
        return "stopped early"
    return "finished" if state.get("finished") else "unfinished"


def _side_by_side(records, what):
    """Groups what runs wrote from the same sentences.

    Returns:
        List of tuples of what was read, one sentence or two, and a list of tuples of
        a run's index, its name and what it wrote.
    """
    found = {}
    for index, record in enumerate(records):
        rows = getattr(record.samples, what) if record.samples else ()
        for number, (*read, written) in enumerate(rows):
            key = (number, *read)
            found.setdefault(key, []).append((index, record.name, written))
    return [(key[1:], written) for key, written in found.items()]


# Nats per sentence below which a code is as good as unread.
_LEAST_GAIN = 0.05
# Titles in the table of the groups of metrics; the others share the first.
_FIRST_TITLE = "Likelihood and latent code"
_TITLES = {
    "reconstruction": "Reconstruction",
    "generation": "Generation",
    "responses": "Responses",
    "transfer": "Transfer",
    "gradients": "Gradient norms",
}


class Row(typing.NamedTuple):
    """A row of the table.

    Attributes:
        key: Str, the metric's key.
        name: Str.
        unit: Str.
        definition: Str.
        number: Int, of the footnote.
        is_detail: Whether it explains the metric above.
        cells: List of str, one a column, or `None` where it was not measured.
    """

    key: str
    name: str
    unit: str
    definition: str
    number: int
    is_detail: bool
    cells: list


class Column(typing.NamedTuple):
    """A column of the table.

    Attributes:
        run: Str, the run's name.
        source: Str, where its metrics are from.
        metrics: Dict of them.
    """

    run: str
    source: str
    metrics: dict


def columns_of(records):
    """Returns a column for each evaluation, and one for a run that has none.

    Args:
        records: List of `RunRecord`.

    Returns:
        List of `Column`.
    """
    columns = []
    for record in records:
        results = record.results or [("not measured", {})]
        columns += [Column(record.name, *result) for result in results]
    return columns


def table_of(columns):
    """Arranges metrics by groups.

    Args:
        columns: List of `Column`.

    Returns:
        Dict from a title to its list of `Row`, those metrics that a column has. Titles
        without a row are left out.
    """
    table, number = {}, 0
    for key, metric in METRICS.items():
        cells = [column.metrics.get(key) for column in columns]
        if all(cell is None for cell in cells):
            continue
        number += 1
        row = Row(
            key=key,
            name=metric.name.strip().replace("_", " "),
            unit=metric.unit,
            definition=metric.definition,
            number=number,
            is_detail=metric.name.startswith(" "),
            cells=[None if cell is None else _text(cell) for cell in cells],
        )
        table.setdefault(_TITLES.get(metric.group, _FIRST_TITLE), []).append(row)
    return table


def verdicts(columns):
    """Says of each evaluation whether the decoder reads the code.

    Args:
        columns: List of `Column`.

    Returns:
        List of tuples of a run's name and a sentence, for those with a `latent_gain`.
    """
    found = []
    for column in columns:
        gain = column.metrics.get("latent_gain")
        if gain is None:
            continue
        error = column.metrics.get("latent_gain_se", 0.0)
        if gain > max(3.0 * error, _LEAST_GAIN):
            words = "yes. With the code of another sentence a sentence costs"
        else:
            words = "no, the posterior has collapsed: another sentence's code costs"
        found.append((column.run, f"{words} {gain:.2f} ± {error:.2f} nats more."))
    return found


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        # Very small and very large metrics keep their digits.
        is_plain = value == 0 or 0.01 <= abs(value) < 1e5
        return f"{value:.3f}" if is_plain else f"{value:.4g}"
    return str(value)
