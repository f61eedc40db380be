"""Writes a model as a SavedModel that TF Serving loads."""

import dataclasses
import os
import re
import shutil

import tensorflow as tf

from tfvae.serving.card import make_card, write_card
from tfvae.serving.engine import Engine
from tfvae.serving.reading import as_utf8, padded
from tfvae.serving.signatures import TEXT, Signature, signatures_of
from tfvae.serving.warmup import write_warmup
from tfvae.text import WordpieceTokenizer

_MAX_LENGTH = 60


def export(
    model,
    path,
    *,
    version=None,
    num_samples=10,
    max_length=None,
    signatures=(),
    measures=None,
    unfinished=False,
    warmup=True,
):
    """Writes `<path>/<version>/`, the layout that TF Serving watches.

    The folder appears whole or not at all. It holds the SavedModel, warm-up requests
    for each signature, and a model card, `README.md` and `model_card.json`. All
    signatures are made of core TensorFlow operations and none by XLA. Optimizers and
    critics stay behind.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer, or a `RunFolder`, whose best
            model is taken.
        path: Path of the folder of all versions; its last part is the model's name.
        version: Positive int, or `None` for the one after the largest there.
        num_samples: Positive int, latent samples of a likelihood. Defaults to `10`.
        max_length: Positive int, the most words read or written, or `None` for the
            run's, else 60.
        signatures: More `Signature`s; one with the name of another replaces it.
        measures: Dict that `evaluate` gave, for the card, or `None`.
        unfinished: Whether a run that is still training, or was broken off, may be
            exported.
        warmup: Whether to write warm-up requests, which needs the extra `serving`.

    Returns:
        Str, the path of the version's folder.

    Raises:
        ValueError: If an argument is out of range, the version exists, the run is not
            finished, or the model has no tokenizer.
        FileNotFoundError: If the run has no model yet.
    """
    version = free_version(path, version)
    run = None
    if hasattr(model, "load_recipe"):
        model, run, run_length = _best_of(model, unfinished)
        max_length = max_length or run_length
    if max_length is None:
        max_length = _MAX_LENGTH
    _check(model, num_samples, max_length)
    engine = Engine(model, max_length, num_samples)
    table = {each.name: each for each in (*signatures_of(model), *signatures)}
    functions = {name: each.trace(engine) for name, each in table.items()}
    tables = [*vars(model.tokenizer).values(), *vars(engine.reader).values()]
    tables += [getattr(each, "table", None) for each in tables]
    card = make_card(engine, table, functions, run=run, measures=measures)
    default = next(iter(table))
    functions["serving_default"] = functions[default]

    def write(folder):
        _save(folder, functions, tables)
        write_card(folder, card, _name_of(path))
        if warmup:
            examples = _examples(model.tokenizer)
            write_warmup(folder, _name_of(path), table, default, examples)

    return into_place(path, version, write)


def export_wordpiece(model, path, *, version=None, max_length=None):
    """Writes an export that only tokenizes, by the operations of tensorflow-text.

    Its one signature `encode_wordpiece` gives `token_ids`, int32
    `[B, max_length]`, `lengths` and `truncated`. A server needs those operations built
    in; the export that `export` writes reads texts without them, to the same ids.

    Args:
        model: Model with a `WordpieceTokenizer`, or a `RunFolder`.
        path: Path of the folder of all versions.
        version: Positive int, or `None` for the one after the largest there.
        max_length: As in `export`.

    Returns:
        Str, the path of the version's folder.

    Raises:
        ValueError: If the tokenizer is of another kind, or as in `export`.
    """
    version = free_version(path, version)
    if hasattr(model, "load_recipe"):
        model, _, run_length = _best_of(model, True)
        max_length = max_length or run_length
    max_length = max_length or _MAX_LENGTH
    _check(model, 1, max_length)
    tokenizer = model.tokenizer
    if not isinstance(tokenizer, WordpieceTokenizer):
        raise ValueError(
            "`export_wordpiece` is for models with a `WordpieceTokenizer`. Received: "
            f"{type(tokenizer).__name__}"
        )

    def encode(engine, text):
        ids = tokenizer.tokenize(as_utf8(text))
        cut = padded(ids, max_length)
        missing = max_length - tf.shape(cut)[1]
        tokens = tf.pad(cut, [[0, 0], [0, missing]])
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        return {
            "token_ids": tf.ensure_shape(tokens, [None, max_length]),
            "lengths": tf.minimum(lengths, max_length),
            "truncated": lengths > max_length,
        }

    signature = Signature("encode_wordpiece", encode, {"text": TEXT}, "ids of a text")
    functions = {signature.name: signature.trace(None)}
    tables = list(vars(tokenizer).values())
    return into_place(path, version, lambda folder: _save(folder, functions, tables))


def _best_of(folder, unfinished):
    """Gives a run's best model, what the card says of the run, its max_length."""
    recipe = folder.load_recipe()
    model = folder.load_model()
    state = folder.load_state() or {}
    if not (unfinished or state.get("finished") or state.get("stopped")):
        raise ValueError(
            f"{folder.path}: the run is not finished (whole epochs so far: "
            f"{state.get('epoch', 0)}). Continue it with `tfvae train --resume`, or "
            "export its best model so far by --unfinished."
        )
    run = {"recipe": dataclasses.asdict(recipe), "state": state}
    return model, run, recipe.resolved_setting().max_length


def _check(model, num_samples, max_length):
    for name, value in (("num_samples", num_samples), ("max_length", max_length)):
        if value < 1:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
    if model.tokenizer is None or not model.tokenizer.has_vocabulary:
        raise ValueError(
            "An export reads and writes text and needs a tokenizer with a vocabulary. "
            "Build the model with `tokenizer=...`. Received: "
            f"tokenizer={model.tokenizer}"
        )
    if getattr(model, "refiner", None) is not None:
        raise ValueError(
            "A refined posterior draws noise for a batch as a whole, so a row's answer "
            "would depend on what a server batches it with. Export a model with "
            f"`refiner=None`. Received: refiner={type(model.refiner).__name__}"
        )


def _save(folder, functions, tables):
    """Saves functions with just the variables and tables that they use."""
    module = tf.Module()
    used = {id(v): v for each in functions.values() for v in each.variables}
    module.saved_variables = list(used.values())
    module.tables = [
        each for each in tables if isinstance(each, tf.lookup.StaticHashTable)
    ]
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, folder, signatures=functions, options=options)


def free_version(path, version=None):
    """Checks a version, or finds the one after the largest.

    Args:
        path: Path of the folder of all versions; it need not exist.
        version: Positive int, or `None`.

    Returns:
        Int.

    Raises:
        ValueError: If the version exists or is out of range, or the path is no place
            for versions.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", _name_of(path)):
        raise ValueError(
            f"{path}: its last part is the model's name, of letters, digits, `_`, "
            f"`-` and `.`, the first a letter or digit. Received: {_name_of(path)!r}"
        )
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path}: a folder is needed. Received: a file.")
    if version is None:
        names = os.listdir(path) if os.path.isdir(path) else []
        return max((int(name) for name in names if name.isdecimal()), default=0) + 1
    if version < 1:
        raise ValueError(f"`version` must be positive. Received: version={version}")
    _refuse_existing(os.path.join(path, str(version)))
    return version


def into_place(path, version, write):
    """Writes a version's folder beside its place and moves it there.

    A server takes no notice of a folder whose name is no number.

    Args:
        path: Path of the folder of all versions.
        version: Int of `free_version`.
        write: Function of the path of an empty folder, which fills it.

    Returns:
        Str, the path of the version's folder.

    Raises:
        ValueError: If the version exists by now.
    """
    place = os.path.join(path, str(version))
    beside = os.path.join(path, f"{version}.partial-{os.getpid()}")
    os.makedirs(beside)
    try:
        write(beside)
        _refuse_existing(place)
        os.rename(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def _refuse_existing(place):
    if os.path.exists(place):
        raise ValueError(
            f"{place}: this version exists. A version is never changed: choose "
            "another, or leave `version` out for the next free one."
        )


def _name_of(path):
    return os.path.basename(os.path.normpath(os.fspath(path)))


def _examples(tokenizer):
    """Gives a value for each input that a warm-up request fills."""
    words = tokenizer.vocabulary[4:]
    texts = [" ".join(words[:8])]
    return {
        "text": texts,
        "text_a": texts,
        "text_b": [" ".join(words[8:16])],
        "seed": [[0, 1]],
        "temperature": [1.0],
        "fraction": [0.5],
    }
