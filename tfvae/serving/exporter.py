"""Writes a model as a SavedModel that TF Serving loads, with its model card."""

import dataclasses
import json
import os
import re
import shutil

import tensorflow as tf

from tfvae import __version__
from tfvae.checks import require
from tfvae.ops.sequences import lengths
from tfvae.serving.per_example import InferenceEngine, read_texts
from tfvae.serving.signatures import TEXT, Signature, left_out, signatures_of
from tfvae.serving.transport import import_protos
from tfvae.text import WordpieceTokenizer

_MAX_LENGTH = 60
_MAX_TURNS = 10
_COMPONENTS = ("encoder", "condition", "posterior", "prior", "decoder", "tokenizer")


def export(
    model,
    path,
    *,
    version=None,
    num_samples=10,
    max_length=None,
    max_turns=None,
    signatures=(),
    metrics=None,
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
            run's, else 60. A run that says how long a context may be keeps to that.
        max_turns: Positive int, the turns of a context where the model reads several,
            or `None` for the run's, else 10.
        signatures: More `Signature`s; one with the name of another replaces it.
        metrics: Dict that `evaluate` returned, for the card, or `None`.
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
    model, run, limits = _resolve(model, max_length, unfinished)
    engine = InferenceEngine(
        model, limits["max_length"], num_samples, limits["max_context_length"]
    )
    if max_turns is None:
        max_turns = limits["max_turns"] or _MAX_TURNS
    own = signatures_of(model, max_turns)
    table = {each.name: each for each in (*own, *signatures)}
    functions = {name: each.trace(engine) for name, each in table.items()}
    card = make_model_card(
        engine, table, functions, max_turns=max_turns, run=run, metrics=metrics
    )
    default = next(iter(table))
    functions["serving_default"] = functions[default]

    def write(folder):
        _save(folder, functions, engine.tables)
        write_model_card(folder, card, _name_of(path))
        if warmup:
            requests = {**table, "serving_default": table[default]}
            write_warmup(folder, _name_of(path), requests, model.tokenizer)

    return into_place(path, version, write)


def export_wordpiece(model, path, *, version=None, max_length=None, warmup=True):
    """Writes an export that only tokenizes, by tensorflow-text's own operations.

    Its one signature `encode_wordpiece` returns `token_ids`, int32
    `[B, max_length]`, `lengths` and `truncated`. A server needs those operations built
    in; the export that `export` writes reads texts without them, to the same ids.

    Args:
        model: Model with a `WordpieceTokenizer`, or a `RunFolder`.
        path: Path of the folder of all versions.
        version: Positive int, or `None` for the one after the largest there.
        max_length: As in `export`.
        warmup: Whether to write warm-up requests. A server without the operations
            then refuses the export when it loads it, not at the first request.

    Returns:
        Str, the path of the version's folder.

    Raises:
        ValueError: If the tokenizer is of another kind, or as in `export`.
    """
    version = free_version(path, version)
    model, _, limits = _resolve(model, max_length, unfinished=True)
    max_length = limits["max_length"]
    engine = InferenceEngine(model, max_length, num_samples=1)
    tokenizer = model.tokenizer
    if not isinstance(tokenizer, WordpieceTokenizer):
        raise ValueError(
            "`export_wordpiece` is for models with a `WordpieceTokenizer`. Received: "
            f"{type(tokenizer).__name__}"
        )

    def encode(engine, text):
        tokens, truncated = read_texts(text, tokenizer.tokenize, max_length)
        tokens = tf.pad(tokens, [[0, 0], [0, max_length - tf.shape(tokens)[1]]])
        return {
            "token_ids": tf.ensure_shape(tokens, [None, max_length]),
            "lengths": lengths(tokens),
            "truncated": truncated,
        }

    signature = Signature("encode_wordpiece", encode, {"text": TEXT}, "ids of a text")
    functions = {signature.name: signature.trace(engine)}

    def write(folder):
        _save(folder, functions, engine.tables)
        if warmup:
            table = {signature.name: signature}
            write_warmup(folder, _name_of(path), table, tokenizer)

    return into_place(path, version, write)


def _resolve(model, max_length, unfinished):
    """Returns a model, what the card says of its run, and what is read at most."""
    if not hasattr(model, "load_configuration"):
        limits = {"max_context_length": None, "max_turns": None}
        limits["max_length"] = _MAX_LENGTH if max_length is None else max_length
        return model, None, limits
    folder = model
    configuration = folder.load_configuration()
    model = folder.load_model()
    state = folder.load_state() or {}
    if not (unfinished or state.get("finished") or state.get("stopped")):
        raise ValueError(
            f"{folder.path}: the run is not finished (whole epochs so far: "
            f"{state.get('epoch', 0)}). Continue it with `tfvae train --resume`, or "
            "export its best model so far by --unfinished."
        )
    if max_length is None:
        max_length = configuration.resolved_setting().max_length
    limits = {
        "max_length": max_length,
        "max_context_length": configuration.max_context_length,
        "max_turns": configuration.max_turns,
    }
    run = {"configuration": dataclasses.asdict(configuration), "state": state}
    return model, run, limits


def _save(folder, functions, tables):
    """Saves functions with just the variables and tables that they use."""
    module = tf.Module()
    used = {id(v): v for each in functions.values() for v in each.variables}
    captured = {id(t) for each in functions.values() for t in each.captured_inputs}
    module.saved_variables = list(used.values())
    module.tables = [each for each in tables if id(each.resource_handle) in captured]
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
    require("version", version, version >= 1, "positive")
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


_WARMUP = os.path.join("assets.extra", "tf_serving_warmup_requests")


def write_warmup(folder, name, signatures, tokenizer):
    """Writes one request of one row for each signature.

    The first request of a signature initializes what TensorFlow leaves until then;
    with these it is not a client's.

    Args:
        folder: Path of the version's folder.
        name: Str, the model's name.
        signatures: Dict of `Signature`s.
        tokenizer: `Tokenizer` from whose words texts are made.

    Raises:
        ValueError: If the protos are not installed.
    """
    protos = import_protos("warm-up requests (or do without: --no-warmup)")
    words = tokenizer.vocabulary[4:]
    values = {
        "text": [" ".join(words[:8])],
        "text_a": [" ".join(words[:8])],
        "text_b": [" ".join(words[8:16])],
        "seed": [[0, 1]],
        "temperature": [1.0],
        "fraction": [0.5],
        "label": [0],
    }
    path = os.path.join(folder, _WARMUP)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for key, signature in signatures.items():
            log = protos.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = key
            for input_name, spec in signature.inputs.items():
                # An input of one's own gets zeros or empty texts.
                shape = [1 if size is None else size for size in spec.shape]
                if input_name == "context":
                    values["context"] = [[" ".join(words[:8])] * shape[1]]
                value = values.get(input_name, tf.zeros(shape, spec.dtype).numpy())
                proto = tf.make_tensor_proto(value, spec.dtype)
                request.inputs[input_name].CopyFrom(proto)
            writer.write(log.SerializeToString())


_BEHAVIOUR = """\
- Every input and output has one row a request in its first dimension. A row's outputs
  depend on that row's inputs alone, so a server may batch.
- `seed`, two int32 a row, decides all of a row's randomness.
- `temperature` 0 (or less) writes the most probable word at each step; above, words
  are drawn from the softmax of `logits / temperature`.
- `text` is split at whitespace. Bytes that are not UTF-8 become U+FFFD. A text without
  words is the empty sentence. After {max_length} words a text is cut and `truncated` is
  true.
- `token_ids` holds at most {max_length} words and `</s>` (id 2), then padding (id 0);
  `lengths` counts the ids before the padding. Without `</s>` the sentence was broken
  off.
- A wrong shape of an input is an error of that request.
"""
_CONTEXT = """\
- `context`, one text, is what a sentence answers. One without words counts as none.
  After {max_context_length} words it is cut and `truncated` is true.
"""
_TURNS = """\
- `context` is a dialogue that a sentence goes on, at most {max_turns} turns in their
  order: the last one is answered. Fill a shorter one up with empty texts, which count
  as no turn wherever they stand, and of a longer one send the last turns. After
  {max_context_length} words a turn is cut and `truncated` is true.
"""
_LABEL = """\
- `label` is the number of a label: {names}. A row of another one is answered as if it
  had none, and its `unknown_label` is true.
"""


def make_model_card(
    engine, signatures, functions, *, max_turns=None, run=None, metrics=None
):
    """Collects what a user of an export must know.

    Args:
        engine: `InferenceEngine`.
        signatures: Dict of `Signature`s.
        functions: Dict of their concrete functions.
        max_turns: Int, the turns of a context, or `None` where the model reads none.
        run: Dict of `configuration` and `state`, or `None`.
        metrics: Dict of metrics, or `None`.

    Returns:
        Dict that JSON can hold.
    """
    model = engine.model
    components = {
        name: type(getattr(model, name)).__name__
        for name in _COMPONENTS
        if getattr(model, name) is not None
    }
    return {
        "model": type(model).__name__,
        "components": components,
        "vocabulary_size": model.tokenizer.vocabulary_size,
        "latent_dim": model.posterior.latent_dim if engine.has_latent else None,
        "num_updates": int(model.step.numpy()),
        "max_length": engine.max_length,
        "condition": _condition(engine, max_turns),
        "left_out": left_out(model),
        "likelihood": _likelihood(engine),
        "num_samples": engine.num_samples,
        "kl_method": engine.kl_method,
        "run": run,
        "metrics": metrics,
        "signatures": {
            name: {
                "description": signature.description,
                "inputs": _specs(signature.inputs),
                "outputs": _specs(functions[name].structured_outputs),
            }
            for name, signature in signatures.items()
        },
        "default_signature": next(iter(signatures)),
        "versions": {"tfvae": __version__, "tensorflow": tf.__version__},
    }


def write_model_card(folder, card, name):
    """Writes `model_card.json` and, for people, `README.md`.

    Args:
        folder: Path.
        card: Dict of `make_model_card`.
        name: Str, the model's name.
    """
    with open(os.path.join(folder, "model_card.json"), "w", encoding="utf-8") as file:
        json.dump(card, file, indent=2)
        file.write("\n")
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(_readme(card, name))


def _condition(engine, max_turns):
    """Returns what is read beside sentences, `None` for nothing."""
    model = engine.model
    if not model.requires:
        return None
    found = {"reads": list(model.requires)}
    if "context" in model.requires:
        found["max_context_length"] = engine.max_context_length
    if model.reads_turns:
        found["max_turns"] = max_turns
        found["answered"] = "the last turn"
    if model.label_names is not None:
        found["label_names"] = list(model.label_names)
    return found


def _likelihood(engine):
    if engine.has_latent and engine.model.encoder_reads == "context":
        return (
            f"nll is of the mean over {engine.num_samples} samples of the posterior "
            "given the context"
        )
    if not engine.has_latent:
        return "nll is exact; the seed does not matter"
    if engine.num_prior_samples is not None:
        return (
            f"nll is of the mean over {engine.num_prior_samples} samples of the prior, "
            "which has no density; reconstruction is at 1 sample"
        )
    if engine.kl_method is None:
        return f"none is defined; reconstruction is at {engine.num_samples} sample"
    return (
        f"nll is importance weighted, {engine.num_samples} samples a text; "
        f"kl is {engine.kl_method}"
    )


def _specs(tensors):
    return {
        name: {"dtype": tensor.dtype.name, "shape": tensor.shape.as_list()}
        for name, tensor in sorted(tensors.items())
    }


def _readme(card, name):
    components = ", ".join(f"{key} {kind}" for key, kind in card["components"].items())
    lines = [f"# {name}", "", f"A {card['model']} of text: {components}."]
    if card["run"] is not None:
        configuration, state = card["run"]["configuration"], card["run"]["state"]
        lines.append(
            f"Preset `{configuration['preset']}`, setting `{configuration['setting']}`."
        )
        if not (state.get("finished") or state.get("stopped")):
            lines.append("**Exported before its training was finished.**")
    lines.append(
        f"Trained for {card['num_updates']} updates; {card['vocabulary_size']} words; "
        f"{card['likelihood']}."
    )
    lines += ["", "## Signatures", ""]
    lines.append(f"`serving_default` is `{card['default_signature']}`.")
    for key, signature in card["signatures"].items():
        lines += ["", f"### `{key}`", "", f"{signature['description']}", ""]
        lines += ["| | name | dtype | shape |", "|---|---|---|---|"]
        for side in ("inputs", "outputs"):
            for tensor, spec in signature[side].items():
                shape = ["B" if size is None else size for size in spec["shape"]]
                shape = ", ".join(map(str, shape))
                row = f"| {side[:-1]} | `{tensor}` | {spec['dtype']} | [{shape}] |"
                lines.append(row)
    for key, reason in card["left_out"].items():
        lines += ["", f"There is no `{key}`: {reason}."]
    behaviour = _BEHAVIOUR.format(max_length=card["max_length"])
    condition = card["condition"] or {}
    if "context" in condition.get("reads", ()):
        about = _TURNS if "max_turns" in condition else _CONTEXT
        behaviour += about.format(**condition)
    if "label_names" in condition:
        names = enumerate(condition["label_names"])
        numbered = ", ".join(f"{number} {name}" for number, name in names)
        behaviour += _LABEL.format(names=numbered)
    lines += ["", "## Behaviour", "", behaviour]
    for title, key in (("Metrics", "metrics"), ("Run", "run")):
        if card[key] is not None:
            dump = json.dumps(card[key], indent=2)
            lines += [f"## {title}", "", "```json", dump, "```", ""]
    versions = ", ".join(f"{key} {value}" for key, value in card["versions"].items())
    lines.append(f"Written by {versions}.")
    return "\n".join(lines) + "\n"
