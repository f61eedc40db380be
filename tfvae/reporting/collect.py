"""What a report shows of runs: kept metrics, new ones and what the models write."""

import dataclasses
import os
import typing

import numpy as np

from tfvae.evaluation.evaluate import check_groups, evaluate, why_undefined
from tfvae.models import writing
from tfvae.models.conditional import can_transfer
from tfvae.reporting.latent_pictures import summarize_latent
from tfvae.reporting.run_record import Result, read_run
from tfvae.text import read_columns, read_lines, read_numbered
from tfvae.text.labels import RecordError
from tfvae.text.readers import read_records

_COMPONENTS = ("encoder", "posterior", "prior", "condition", "decoder", "tokenizer")
# Of a conditional run that keeps no evaluation.
_MEASURED = ("likelihood", "latent", "responses")
# Responses to read to each context.
_NUM_RESPONSES = 3


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What a report measures and shows.

    Attributes:
        groups: Names of the groups of metrics to compute for every run; `"all"`;
            `"none"`; or `None` for likelihood and latent, and responses to contexts, of
            runs that keep no evaluation.
        num_samples: Int, posterior samples per sentence for the likelihood.
        num_generated: Positive int, sentences generated for the metrics of generation.
        num_responses: Positive int, responses to each context for their metrics.
        num_drawn: Positive int, the most sentences whose codes are drawn as pictures.
        num_read: Positive int, sentences reconstructed, and as many generated, to read;
            or contexts answered.
        batch_size: Positive int, sentences at once.
        seed: Int, of everything.
        max_length: Positive int, the most tokens of a sentence, or `None` for each
            run's own limit.
        too_long: `"error"` or `"truncate"`, what becomes of longer sentences, or `None`
            for what each run did with them.
        progress: As of `tfvae.evaluation.evaluate`, or `None`.
        log: Callable of a str that says what is done next, or `None`.
    """

    groups: typing.Any = None
    num_samples: int = 100
    num_generated: int = 100_000
    num_responses: int = 10
    num_drawn: int = 1000
    num_read: int = 6
    batch_size: int = 32
    seed: int = 0
    max_length: int | None = None
    too_long: str | None = None
    progress: typing.Callable | None = None
    log: typing.Callable | None = None

    def __post_init__(self):
        """Checks the values that need no data."""
        if self.groups not in (None, "all", "none"):
            object.__setattr__(self, "groups", check_groups(self.groups))
        positive = ("num_generated", "num_responses", "num_drawn", "num_read")
        for name in (*positive, "batch_size"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {value}")
        if self.num_samples < 0:
            raise ValueError(
                f"`num_samples` must not be negative. Received: {self.num_samples}"
            )


def collect_runs(folders, data=None, **options):
    """Reads runs, measures them and samples from them; changes nothing in them.

    Args:
        folders: List of paths of run folders, at least one.
        data: `LabelledText`, or `None` for a report without what needs sentences.
        **options: Fields of `ReportOptions`.

    Returns:
        List of `RunRecord`, in the order of the folders.

    Raises:
        FileNotFoundError: If a folder holds no run.
        ValueError: If there is no folder, a file is damaged, `groups` is given without
            `data`, a run reads contexts or labels that `data` lacks, or a sentence is
            too long for a run.
    """
    options = ReportOptions(**options)
    if not folders:
        raise ValueError("`folders` must name a run. Received: none")
    if data is None and options.groups not in (None, "none"):
        raise ValueError("Measuring needs sentences. Give `data` (--data FILE) too.")
    records = [
        read_run(folder, name)
        for folder, name in zip(folders, _names(folders), strict=True)
    ]
    for record in records:
        if data is not None:
            _rows(record, data)
    for record in records:
        if not record.has_model:
            continue
        _use_model(record, data, options)
        if data is None:
            record.notes.append(
                "No sentences were given (--data): pictures of the latent space, "
                "reconstructions and metrics not kept beside the run are left out."
            )
    return records


def _names(folders):
    """Names runs by their folders, by whole paths where those are the same."""
    names = [os.path.basename(os.path.abspath(folder)) for folder in folders]
    return [
        name if names.count(name) == 1 else os.fspath(folder)
        for name, folder in zip(names, folders, strict=True)
    ]


def _use_model(record, data, options):
    """Adds to a record what needs its model."""
    log = options.log or (lambda line: None)
    log(f"{record.name}: loading")
    model = record.folder.load_model()
    record.components = {
        name: type(getattr(model, name)).__name__
        for name in _COMPONENTS
        if getattr(model, name, None) is not None
    }
    configuration = record.configuration
    if data is not None:
        limits = {"max_length": options.max_length, "too_long": options.too_long}
        configuration = dataclasses.replace(
            configuration, **{k: v for k, v in limits.items() if v is not None}
        )
        batches = _batches(model, configuration, record, data, options)
        if not record.results if options.groups is None else options.groups != "none":
            log(f"{record.name}: measuring")
            record.results.append(_evaluate(model, record, data, batches, options))
    max_length = configuration.resolved_setting().max_length
    if data is not None and model.posterior is not None and not model.requires:
        log(f"{record.name}: encoding")
        texts = _chosen(data.texts, options.num_drawn, options.seed)
        if len(texts) > 1:
            record.latent_summary = summarize_latent(
                model,
                texts,
                data.labels and _chosen(data.labels, options.num_drawn, options.seed),
                max_length=max_length,
                seed=options.seed,
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
    log(f"{record.name}: writing")
    if model.requires == ("label",):
        record.notes.append(
            "A run with labels has no pictures of one latent space; what it writes "
            "with each label is shown in their place."
        )
        rows = []
        if data is not None:
            rows = _chosen(_rows(record, data), options.num_read, options.seed)
        record.samples = write_labelled(
            model,
            rows,
            num_samples=options.num_read,
            max_length=max_length,
            seed=options.seed,
        )
        return
    if model.requires:
        record.notes.append(
            "A conditional run has no pictures of one latent space and no sentences "
            "without a context; its responses are shown in their place."
        )
        if data is not None:
            record.samples = write_responses(model, record, data, options)
        return
    texts = []
    if data is not None:
        texts = _chosen(data.texts, options.num_read, options.seed)
    record.samples = write_samples(
        model,
        texts,
        num_samples=options.num_read,
        max_length=max_length,
        seed=options.seed,
    )


def _batches(model, configuration, record, data, options):
    """Creates the batches of the sentences, noting those that are too long.

    Raises:
        ValueError: If a sentence is too long, named by its line.
    """
    batches = configuration.batches(
        _rows(record, data),
        model.tokenizer,
        shuffle=False,
        batch_size=options.batch_size,
    )
    try:
        counts = batches.counts()
    except RecordError as error:
        if data.lines is None:
            raise
        place = f"{data.name}, line {data.lines[error.number - 1]}"
        raise ValueError(f"{place}: {error.problem}") from error
    if counts.num_cut or counts.num_dropped:
        what = f"{counts.num_cut} were cut"
        if counts.num_dropped:
            what = (
                f"{counts.num_dropped} were left out of the metrics and cut for the "
                "pictures"
            )
        record.notes.append(
            f"Of the sentences of {data.name}, {what}, having more than "
            f"{batches.max_length} tokens."
        )
    return batches


def _rows(record, data):
    """Returns the sentences with what a run reads beside them.

    Raises:
        ValueError: If the run reads contexts or labels and there are none.
    """
    configuration, rows = record.configuration, [{"text": text} for text in data.texts]
    for key, column, found in (
        ("context", configuration.context_column, data.contexts),
        ("label", configuration.label_column, data.labels),
    ):
        if column is None:
            continue
        if found is None:
            raise ValueError(
                f"{record.folder.path}: the run reads a {key} beside each sentence, "
                f"and {data.name} was read without. Read it with the column of the "
                f"{key}s, {column!r} in the run."
            )
        rows = [{**row, key: value} for row, value in zip(rows, found, strict=True)]
    return data.texts if len(rows[0]) == 1 else rows


def _evaluate(model, record, data, batches, options):
    """Measures a run on the sentences; leaves out what is not defined for it."""
    configuration, groups, notes = record.configuration, options.groups, []
    train_texts = configuration.training_rows
    if groups is None and model.requires:
        groups = [
            name
            for name in _MEASURED
            if not why_undefined(model, name, data.texts, train_texts)
        ]
    elif isinstance(groups, list):
        reasons = {
            name: why_undefined(model, name, data.texts, train_texts) for name in groups
        }
        notes = [
            f"There is no {name} to measure. {reason}"
            for name, reason in reasons.items()
            if reason
        ]
        groups = [name for name in groups if not reasons[name]]
    metrics = {}
    if groups != []:
        metrics = evaluate(
            model,
            batches,
            groups=groups,
            train_texts=train_texts,
            num_samples=options.num_samples,
            num_generated=options.num_generated,
            num_responses=options.num_responses,
            seed=options.seed,
            progress=options.progress,
        )
    if notes:
        metrics["notes"] = [*notes, *metrics.get("notes", [])]
    return Result(data.name, metrics)


def _chosen(rows, num, seed):
    """Chooses rows at random, all of them where there are no more, in their order.

    Lists of one length are chosen from alike.
    """
    if len(rows) <= num:
        return rows
    chosen = np.random.default_rng(seed).permutation(len(rows))[:num]
    return [rows[row] for row in sorted(chosen)]


class Interpolation(typing.NamedTuple):
    """Sentences on the way between two codes.

    Attributes:
        first: Str, the sentence at its start, or `None` for a sample of the prior.
        last: Str, the sentence at its end, or `None`.
        steps: List of tuples of the fraction of the way and the sentence there.
    """

    first: str | None
    last: str | None
    steps: list


class Samples(typing.NamedTuple):
    """What a model writes.

    Attributes:
        generated: List of str, from samples of the prior or of a language model.
        reconstructions: List of tuples of a sentence and its reconstruction.
        interpolations: List of `Interpolation`.
        responses: List of tuples of a tuple of turns, the sentence that answers them
            and a list of str, responses.
        labelled: List of tuples of a label and a list of str, sentences with it.
        transferred: List of tuples of a sentence, its label and a list of tuples of
            each other label and the sentence with it.
    """

    generated: list = []
    reconstructions: list = []
    interpolations: list = []
    responses: list = []
    labelled: list = []
    transferred: list = []


def write_samples(
    model, texts=(), *, num_samples=8, num_steps=5, max_length=60, seed=0, num_paths=2
):
    """Generates, reconstructs and interpolates sentences to read.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        texts: List of str to reconstruct; between each two of them, up to `num_paths`
            times, there is an interpolation, without texts between samples of the
            prior.
        num_samples: Positive int, sentences generated.
        num_steps: Int of at least 2, sentences of an interpolation.
        max_length: Positive int, the most words read and written.
        seed: Int.
        num_paths: Int, interpolations.

    Returns:
        `Samples`; without a latent only those that are generated.
    """
    options = {"max_length": max_length, "seed": seed}
    generated = list(
        writing.generate(model, num_samples, batch_size=num_samples, **options)
    )
    if model.posterior is None:
        return Samples(generated)
    reconstructions = list(writing.reconstruct(model, texts, **options))
    options["num_steps"] = num_steps
    pairs = list(zip(texts[::2], texts[1::2], strict=False))[:num_paths]
    paths = [
        Interpolation(*pair, writing.interpolate(model, *pair, **options))
        for pair in pairs
    ]
    if not paths:
        for path in range(num_paths):
            ends = writing.sample_endpoints(model, seed + path)
            steps = writing.interpolate_codes(model, *ends, **options)
            paths.append(Interpolation(None, None, steps))
    return Samples(generated, reconstructions, paths)


def write_labelled(model, rows=(), *, num_samples=8, max_length=60, seed=0):
    """Writes sentences with each label to read, and some again with other labels.

    Args:
        model: `VAE` or `LanguageModel` of labels alone, with a tokenizer.
        rows: List of dicts of `"text"` and `"label"` to reconstruct and to transfer.
        num_samples: Positive int, sentences generated with each label.
        max_length: Positive int, the most words read and written.
        seed: Int.

    Returns:
        `Samples`; without a latent only those with labels, and without transfers where
        the model has none.
    """
    options, names = {"max_length": max_length, "seed": seed}, model.label_names
    labelled = [
        (name, model.generate(num_samples, label=name, **options)) for name in names
    ]
    if not rows or model.posterior is None:
        return Samples(labelled=labelled)
    pairs = list(writing.reconstruct(model, rows, **options))
    samples = Samples(reconstructions=pairs, labelled=labelled)
    if not can_transfer(model):
        return samples
    texts = [row["text"] for row in rows]
    written = {name: model.transfer(texts, name, **options) for name in names}
    transferred = [
        (row["text"], row["label"], _others(written, row["label"], number))
        for number, row in enumerate(rows)
    ]
    return samples._replace(transferred=transferred)


def _others(written, label, number):
    """Lists a row's transfers to the other labels, with those."""
    return [(name, texts[number]) for name, texts in written.items() if name != label]


def write_responses(model, record, data, options):
    """Answers some contexts to read.

    Args:
        model: Model of contexts with a tokenizer.
        record: `RunRecord` of its run.
        data: `LabelledText` with what the model reads.
        options: `ReportOptions`.

    Returns:
        `Samples` of responses alone; without any where the prior is not trained.
    """
    if why_undefined(model, "responses") is not None:
        return Samples()
    configuration = record.configuration
    rows = _chosen(_rows(record, data), options.num_read, options.seed)
    labels, contexts = None, [row["context"] for row in rows]
    if configuration.max_turns is not None:
        contexts = [
            [turns] if isinstance(turns, str) else turns[-configuration.max_turns :]
            for turns in contexts
        ]
    if "label" in model.requires:
        labels = [row["label"] for row in rows]
    answers = model.respond(
        contexts,
        labels=labels,
        num=_NUM_RESPONSES,
        max_length=configuration.resolved_setting().max_length,
        seed=options.seed,
    )
    shown = [(turns,) if isinstance(turns, str) else tuple(turns) for turns in contexts]
    texts = [row["text"] for row in rows]
    return Samples(responses=list(zip(shown, texts, answers, strict=True)))


class LabelledText(typing.NamedTuple):
    """Sentences to measure and to show.

    Attributes:
        name: Str, what the page calls them.
        texts: List of str.
        labels: List of str, one a sentence, or `None`.
        lines: List of int, the line of each sentence in its file, or `None`.
        contexts: List of what each sentence answers, a str or a list of str, or `None`.
    """

    name: str
    texts: list
    labels: list | None = None
    lines: list | None = None
    contexts: list | None = None


def read_labelled(
    path,
    column="text",
    *,
    header=True,
    labels=None,
    label_column=None,
    context_column=None,
):
    """Reads sentences and their labels.

    Args:
        path: Path of the sentences, see `read_texts`.
        column: Str, name or number of the column of the sentences in a `.csv`, `.tsv`
            or `.jsonl` file.
        header: Whether the first row of a `.csv` or `.tsv` file holds names. Defaults
            to `True`.
        labels: Path of a file with one label a line, or `None`.
        label_column: Str, column of the labels in the file of the sentences, or `None`.
        context_column: Str, column of the contexts there, see `read_records`, or
            `None`.

    Returns:
        A `LabelledText`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is malformed or empty, both kinds of labels are given, or
            there are not as many labels as sentences.
    """
    name = os.path.basename(path)
    if labels is not None and label_column is not None:
        raise ValueError("Give a file of labels or a column of labels, not both.")
    if context_column is not None:
        beside = {"context_column": context_column, "label_column": label_column}
        lines, records = zip(
            *read_records(path, column, header=header, **beside), strict=True
        )
        given = labels and _labels(labels, path, len(records))
        return LabelledText(
            name,
            [record["text"] for record in records],
            [str(r["label"]) for r in records] if label_column is not None else given,
            list(lines),
            [record["context"] for record in records],
        )
    numbered, found = read_numbered(path, column, header=header), None
    if label_column is not None:
        rows = read_columns(path, [column, label_column], header=header)
        found = [str(row[label_column]) for row in rows if str(row[column]).strip()]
    lines, texts = map(list, zip(*numbered, strict=True))
    if labels is not None:
        found = _labels(labels, path, len(texts))
    return LabelledText(name, texts, found, lines)


def _labels(labels, path, num_texts):
    """Reads one label a line for each sentence of another file."""
    found = list(read_lines(labels))
    if len(found) != num_texts:
        raise ValueError(
            f"{labels}: one label a line is needed for each sentence of {path}. "
            f"Received: {len(found)} labels, {num_texts} sentences"
        )
    return found
