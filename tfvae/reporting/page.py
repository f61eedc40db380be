"""The page itself."""

import dataclasses
import importlib
import json

import keras
import tensorflow as tf

from tfvae.presets import get_preset
from tfvae.reporting.gathering import gather
from tfvae.reporting.measure_table import columns_of, table_of
from tfvae.reporting.run_record import command_of
from tfvae.version import __version__

_EXTRA = ("jinja2", "matplotlib")


def make_report(folders, data=None, **choices):
    """Makes one HTML page about one or several runs; changes nothing in their folders.

    The page holds all its pictures and needs no network: measures with their
    definitions, curves of training, the plane of KL and reconstruction, pictures of the
    latent space, sentences to read, and how each run was made.

    Args:
        folders: List of paths of run folders, at least one.
        data: `LabelledText`, or `None` for a report without what needs sentences.
        **choices: Fields of `tfvae.reporting.gathering.Choices`.

    Returns:
        Str, the page.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If the extra `report` is not installed, or as `gather`.
    """
    check_extra()
    return render(gather(folders, data, **choices), data)


def check_extra():
    """Checks that what the page is made with is installed.

    Raises:
        ValueError: If it is not.
    """
    for name in _EXTRA:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"A report needs {name}. Install it by `pip install tfvae[report]`."
            ) from error


def render(records, data=None):
    """Lays out the page.

    Args:
        records: List of `RunRecord` from `gather`.
        data: The `LabelledText` that they were gathered with, or `None`.

    Returns:
        Str, HTML.

    Raises:
        ValueError: If the extra `report` is not installed.
    """
    check_extra()
    import jinja2

    from tfvae.reporting.curves import curves, plane
    from tfvae.reporting.latent_pictures import label_groups, latent_pictures
    from tfvae.reporting.svg import GLYPHS, SERIES

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
        if record.observation is not None
        for label in record.observation.labels or ()
    ]
    return environment.get_template("report.html").render(
        title=", ".join(record.name for record in records),
        runs=[_run(record, index) for index, record in enumerate(records)],
        data=data,
        columns=columns,
        table=table_of(columns),
        curves=curves(records),
        plane=plane(records),
        latents=[
            (record.name, latent_pictures(record.observation, f"run{index}"))
            for index, record in enumerate(records)
            if record.observation is not None
        ],
        labels=label_groups(labels) if labels else [],
        reconstructions=_side_by_side(records, "reconstructions"),
        interpolations=_side_by_side(records, "interpolations"),
        glyphs=GLYPHS,
        num_series=len(SERIES),
        versions={
            "tfvae": __version__,
            "TensorFlow": tf.__version__,
            "Keras": keras.__version__,
        },
    )


def _marked(text):
    """Sets what stands between backticks as code."""
    from markupsafe import Markup, escape

    words = (
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(text.split("`"))
    )
    return Markup("").join(words)


def _run(record, index):
    """Gives what the page says of one run."""
    preset = get_preset(record.recipe.preset)
    state = record.state or {}
    notes = list(record.notes)
    for source, figures in record.results:
        notes += [f"{source}: {note}" for note in figures.get("notes", ())]
    return {
        "index": index,
        "name": record.name,
        "path": record.folder.path,
        "preset": preset,
        "recipe": record.recipe,
        "epochs": state.get("epoch", 0),
        "best": state.get("best"),
        "best_epoch": state.get("best_epoch"),
        "ended": _ended(state),
        "parts": record.parts,
        "notes": notes,
        "samples": record.reading.samples if record.reading else [],
        "command": command_of(record.recipe, record.folder.path),
        "recipe_json": json.dumps(dataclasses.asdict(record.recipe), indent=2),
    }


def _ended(state):
    if state.get("stopped"):
        return "stopped early"
    return "finished" if state.get("finished") else "unfinished"


def _side_by_side(records, what):
    """Groups what runs made of the same sentences.

    Returns:
        List of tuples of what was read, one sentence or two, and a list of tuples of
        a run's index, its name and what it wrote.
    """
    found = {}
    for index, record in enumerate(records):
        rows = getattr(record.reading, what) if record.reading else ()
        for number, (*read, written) in enumerate(rows):
            key = (number, *read)
            found.setdefault(key, []).append((index, record.name, written))
    return [(key[1:], written) for key, written in found.items()]
