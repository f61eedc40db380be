"""Sentences, contexts and labels as a model takes them: batches of ids."""

import numpy as np
import tensorflow as tf

from tfvae.ops.sequences import PAD_ID

SEED_SPEC = tf.TensorSpec([2], tf.int32)
_RANKS = {"tokens": 2, "label": 1}


def require_tokenizer(model):
    """Returns a model's tokenizer.

    Raises:
        ValueError: If it has none.
    """
    if model.tokenizer is None:
        raise ValueError(
            "Reading and writing text needs a tokenizer. Build the model with "
            "`tokenizer=...`. Received: tokenizer=None"
        )
    return model.tokenizer


def as_texts(texts):
    """Returns one text or several as a list of str.

    Args:
        texts: Str, or iterable of str.

    Raises:
        ValueError: If an item is no str.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"`texts` must hold str. Received: {text!r}")
    return texts


def rows_of(model, texts=None, contexts=None, labels=None):
    """Pairs sentences with what a conditional model knows beside them.

    Args:
        model: `VAE` or `LanguageModel`.
        texts: Str or iterable of str; `None` for rows without sentences.
        contexts: List of contexts, each a str, or a list of str for a model of several
            turns, the oldest first; a single str counts as a list of one. `None` for a
            model that reads none.
        labels: List of str or int, of `model.label_names`, or `None` for a model that
            reads none.

    Returns:
        List of dicts with those of `"text"`, `"context"` and `"label"` that are given;
        of str where there are sentences alone.

    Raises:
        ValueError: If a model lacks what it reads, gets what it does not read, or there
            are unequally many of them.
    """
    contexts = [contexts] if isinstance(contexts, str) else contexts
    for key, values in (("context", contexts), ("label", labels)):
        if (values is None) == (key in model.requires):
            verb = "reads" if key in model.requires else "does not read"
            raise ValueError(
                f"This {type(model).__name__} {verb} a {key}. "
                f"Received: {key}s={values!r}"
            )
    columns = {
        "text": None if texts is None else as_texts(texts),
        "context": contexts,
        "label": labels,
    }
    columns = {key: list(v) for key, v in columns.items() if v is not None}
    if set(columns) == {"text"}:
        return columns["text"]
    counts = {key: len(values) for key, values in columns.items()}
    if len(set(counts.values())) > 1:
        received = ", ".join(f"{num} {key}s" for key, num in counts.items())
        raise ValueError(
            "There must be one of them for each row. Received: " + received
        )
    return [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def text_of(row):
    """Returns the sentence of a row of `rows_of`."""
    return row if isinstance(row, str) else row["text"]


def input_specs(model, keys):
    """Returns the `tf.TensorSpec`s of those keys of a batch, a dict."""
    return {key: tf.TensorSpec([None] * _rank(model, key), tf.int32) for key in keys}


def specs_of(inputs):
    """Returns the `tf.TensorSpec`s of batches of ids like this one, a dict."""
    return {
        key: tf.TensorSpec([None] * len(ids.shape), tf.int32)
        for key, ids in inputs.items()
    }


def batch_of(model, rows, keys, max_length=None, max_context_length=None):
    """Turns rows into a batch.

    Args:
        model: A model with a tokenizer.
        rows: List of str or of dicts, as `rows_of` returns them.
        keys: Iterable of str, the keys of the batch: `"tokens"`, `"context"`,
            `"label"`.
        max_length: Int, words after which a sentence is cut, or `None`.
        max_context_length: Int, the same of a context, or a turn of one, or `None`.

    Returns:
        Dict of int32 tensors, `"tokens"` `[B, T]`, `"context"` `[B, T']` or, for a
        model of several turns, `[B, N, T']`, and `"label"` `[B]`.

    Raises:
        ValueError: If a row lacks a key, a sentence or a context has no words, or a
            context has several turns and the model reads one text.
    """
    batch = {}
    for key in dict.fromkeys(keys):
        if key == "tokens":
            texts = [text_of(row) for row in rows]
            batch[key] = tokenize(model, texts, max_length)["tokens"]
            continue
        _rank(model, key)
        for row in rows:
            if isinstance(row, str) or key not in row:
                raise ValueError(
                    f"This {type(model).__name__} reads a {key} beside each sentence. "
                    f"Give {key}s too. Received: {row!r}"
                )
        values = [row[key] for row in rows]
        if key == "label":
            batch[key] = tf.constant(list(map(model.label_number, values)), tf.int32)
        else:
            batch[key] = _contexts(model, values, max_context_length)
    return batch


def tokenize(model, texts, max_length=None, what="sentence"):
    """Turns sentences into a batch.

    Args:
        model: A model with a tokenizer.
        texts: List of str.
        max_length: Int, words after which a sentence is cut, or `None`.
        what: Str, what an error calls a text. Defaults to `"sentence"`.

    Returns:
        Dict with `"tokens"`, int32 `[B, T]`, at least one column wide.

    Raises:
        ValueError: If the model has no tokenizer or a sentence has no words.
    """
    words = require_tokenizer(model).tokenize(tf.constant(texts))
    if max_length is not None:
        words = words[:, :max_length]
    tokens = words.to_tensor(PAD_ID)
    lengths = words.row_lengths().numpy()
    for text, length in zip(texts, lengths, strict=True):
        if length == 0:
            raise ValueError(f"A {what} needs words. Received: {text!r}")
    return {"tokens": tokens}


def turns_of(model, context):
    """Returns a context as a list of its turns.

    Raises:
        ValueError: If it has none, or several and the model reads one text.
    """
    turns = [context] if isinstance(context, str) else list(context)
    if not turns:
        raise ValueError("A context needs words. Received: no turn")
    if len(turns) > 1 and not model.reads_turns:
        raise ValueError(
            f"This {type(model).__name__} reads contexts of one text. Give one, or "
            "train it with `max_turns` (--max-turns). Received: "
            f"{len(turns)} turns"
        )
    return turns


def _contexts(model, contexts, max_length):
    """Tokenizes contexts; the empty turns of a dialogue stand before the others."""
    turns = [turns_of(model, context) for context in contexts]
    flat = [text for each in turns for text in each]
    tokens = tokenize(model, flat, max_length, "context")["tokens"].numpy()
    if not model.reads_turns:
        return tf.constant(tokens)
    counts = np.array([len(each) for each in turns])
    is_there = np.arange(counts.max()) >= counts.max() - counts[:, None]
    padded = np.full([*is_there.shape, tokens.shape[1]], PAD_ID, np.int32)
    padded[is_there] = tokens
    return tf.constant(padded)


def _rank(model, key):
    if key == "context":
        return 3 if model.reads_turns else 2
    if key not in _RANKS:
        raise ValueError(
            f"This {type(model).__name__} reads {key!r}, which is no text and no "
            "label. Pass whole batches to `forward`."
        )
    return _RANKS[key]
