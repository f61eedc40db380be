"""Everything about runs that a report shows."""

import dataclasses
import os
import typing

import numpy as np

from tfvae.evaluation.measures import GROUPS, check_groups, measure
from tfvae.reporting.observation import observe
from tfvae.reporting.reading import read_model
from tfvae.reporting.run_record import Result, read_run
from tfvae.text import read_texts
from tfvae.training.train import batches_of

_PARTS = ("encoder", "posterior", "prior", "decoder", "tokenizer")


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a report measures and draws.

    Attributes:
        groups: Names of groups of measures to take of every run; `"all"`; `"none"`;
            or `None` for likelihood and latent of runs that keep no evaluation.
        num_samples: Int, posterior samples a sentence of the likelihood.
        num_generated: Positive int, sentences drawn for generation.
        num_drawn: Positive int, sentences at most whose codes are drawn.
        num_read: Positive int, sentences written again, and as many drawn to read.
        batch_size: Positive int, sentences at once.
        seed: Int, of everything.
        progress: As of `tfvae.evaluation.measures.Request`, or `None`.
        say: Callable of a str, told what is done next, or `None`.
    """

    groups: typing.Any = None
    num_samples: int = 100
    num_generated: int = 100_000
    num_drawn: int = 1000
    num_read: int = 6
    batch_size: int = 32
    seed: int = 0
    progress: typing.Callable | None = None
    say: typing.Callable | None = None

    def __post_init__(self):
        """Checks the values that need no data."""
        if self.groups not in (None, "all", "none"):
            object.__setattr__(self, "groups", check_groups(self.groups))
        for name in ("num_generated", "num_drawn", "num_read", "batch_size"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {value}")
        if self.num_samples < 0:
            raise ValueError(
                f"`num_samples` must not be negative. Received: {self.num_samples}"
            )


def gather(folders, data=None, **choices):
    """Reads runs, measures them and lets them write; changes nothing in their folders.

    Args:
        folders: List of paths of run folders, at least one.
        data: `LabelledText`, or `None` for a report without what needs sentences.
        **choices: Fields of `Choices`.

    Returns:
        List of `RunRecord`, in the order of the folders.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If there is no folder, a file is damaged, `groups` is given without
            `data`, or a sentence is too long for a run.
    """
    choices = Choices(**choices)
    if not folders:
        raise ValueError("`folders` must name a run. Received: none")
    if data is None and choices.groups not in (None, "none"):
        raise ValueError("Measuring needs sentences. Give `data` (--data FILE) too.")
    records = [
        read_run(folder, name)
        for folder, name in zip(folders, _names(folders), strict=True)
    ]
    for record in records:
        if record.has_model:
            _fill(record, data, choices)
        if data is None and record.has_model:
            record.notes.append(
                "No sentences were given (--data): pictures of the latent space, "
                "reconstructions and measures not kept beside the run are left out."
            )
    return records


def _names(folders):
    """Names runs by their folders, by whole paths where those are the same."""
    names = [os.path.basename(os.path.abspath(folder)) for folder in folders]
    return [
        name if names.count(name) == 1 else os.fspath(folder)
        for name, folder in zip(names, folders, strict=True)
    ]


def _fill(record, data, choices):
    """Adds what needs the model."""
    say = choices.say or (lambda line: None)
    say(f"{record.name}: loading")
    model = record.folder.load_model()
    record.parts = {
        part: type(getattr(model, part)).__name__
        for part in _PARTS
        if getattr(model, part, None) is not None
    }
    max_length = record.recipe.resolved_setting().max_length
    if data is not None and _is_to_measure(record, choices):
        say(f"{record.name}: measuring")
        record.results.append(_measured(model, record, data, choices))
    if data is not None and model.posterior is not None:
        say(f"{record.name}: drawing codes")
        rows = _chosen(len(data.texts), choices.num_drawn, choices.seed)
        if len(rows) > 1:
            record.observation = observe(
                model,
                [data.texts[row] for row in rows],
                data.labels and [data.labels[row] for row in rows],
                max_length=max_length,
                seed=choices.seed,
            )
        else:
            record.notes.append(
                "Pictures of the latent space need two sentences at least."
            )
    if model.posterior is None:
        record.notes.append(
            "A language model has no latent code: it has no KL, no pictures of a "
            "latent space, no reconstructions and no interpolations."
        )
    say(f"{record.name}: writing")
    texts = []
    if data is not None:
        rows = _chosen(len(data.texts), choices.num_read, choices.seed)
        texts = [data.texts[row] for row in rows]
    record.reading = read_model(
        model,
        texts,
        num_samples=choices.num_read,
        max_length=max_length,
        seed=choices.seed,
    )


def _is_to_measure(record, choices):
    if choices.groups is None:
        return not record.results
    return choices.groups != "none"


def _measured(model, record, data, choices):
    """Measures a run on the sentences; leaves out what is not defined for it."""
    recipe, groups, notes = record.recipe, choices.groups, []
    if isinstance(groups, list):
        reasons = {name: GROUPS[name].undefined(model) for name in groups}
        notes = [
            f"There is no {name} to measure. {reason}"
            for name, reason in reasons.items()
            if reason
        ]
        groups = [name for name in groups if not reasons[name]]
    figures = {}
    if groups != []:
        batches = batches_of(
            data.texts,
            model.tokenizer,
            recipe,
            shuffle=False,
            batch_size=choices.batch_size,
        )
        figures = measure(
            model,
            batches.dataset(),
            groups,
            num_batches=batches.num_batches(),
            texts=lambda: iter(data.texts),
            train_texts=lambda: read_texts(recipe.train, recipe.column),
            num_samples=choices.num_samples,
            num_generated=choices.num_generated,
            seed=choices.seed,
            progress=choices.progress,
        )
    if notes:
        figures["notes"] = [*notes, *figures.get("notes", [])]
    return Result(data.name, figures)


def _chosen(total, num, seed):
    """Chooses rows at random, all of them where there are no more, in their order."""
    if total <= num:
        return list(range(total))
    return sorted(np.random.default_rng(seed).permutation(total)[:num].tolist())
