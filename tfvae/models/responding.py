"""Contexts in, text out: answers of a conditional model."""

import numpy as np
import tensorflow as tf

from tfvae.models import inference
from tfvae.models.writing import require_tokenizer, texts_of, tokenize
from tfvae.samplers import get_sampler
from tfvae.seeds import Stream, as_seed, fold_in


def respond(model, contexts, labels, num, sampler, max_length, seed, batch_size):
    """Writes answers to contexts; see `TextModel.respond`."""
    tokenizer = require_tokenizer(model)
    if not model.requires:
        raise ValueError(
            f"This {type(model).__name__} reads no context and no label. Use "
            "`generate`, or train it with a `condition` (--context-column)."
        )
    if num < 1:
        raise ValueError(f"`num` must be positive. Received: num={num}")
    check_prior(model)
    rows = _condition_rows(model, contexts, labels)
    sampler, answers = get_sampler(sampler), []
    for start in range(0, len(rows), batch_size):
        chunk = rows[start : start + batch_size]
        inputs = _condition_inputs(model, chunk)
        seed_of_chunk = fold_in(as_seed(seed), start)
        ids = response_ids(model, inputs, num, sampler, max_length, seed_of_chunk)
        texts = list(texts_of(tokenizer, ids))
        answers += [texts[index :: len(chunk)] for index in range(len(chunk))]
    return answers


def response_ids(model, inputs, num, sampler, max_length, seed):
    """Writes answers to a batch of contexts, as ids.

    Args:
        model: `VAE` or `LanguageModel` with a condition.
        inputs: Dict of int arrays, those of `model.requires`.
        num: Positive int `S`, answers to each context.
        sampler: `Sampler`.
        max_length: Positive int, the most ids, `</s>` included.
        seed: Int tensor `[2]`.

    Returns:
        Int32 array `[S * B, max_length]`, the first answers to all contexts first.
    """

    def write(inputs, seed):
        memory = inference.response_memory(
            model, inputs, num, fold_in(seed, Stream.PRIOR)
        )
        rows = tf.reshape(memory, [-1, memory.shape[-1]])
        words = fold_in(seed, Stream.WORDS)
        return sampler(model.decoder, rows, max_length, words)

    ranks = {key: len(value.shape) for key, value in inputs.items()}
    run = model.compiled_function(
        ("respond", num, sampler.key, max_length, tuple(ranks.items())),
        write,
        {key: tf.TensorSpec([None] * n, tf.int32) for key, n in ranks.items()},
        tf.TensorSpec([2], tf.int32),
    )
    return run(inputs, seed).numpy()


def check_prior(model):
    """Refuses a prior whose samples the decoder has never learned to read.

    Raises:
        ValueError: If no term of the objective brings the prior and the codes together.
    """
    if model.posterior is None or model.encoder_reads == "context":
        return
    if not any(term.trains_prior or term.pools_codes for term in model.objective):
        raise ValueError(
            "A response is written from a sample of the prior, and no term of this "
            "model brings its codes there. Train one with `KL` or `MMD`. "
            f"Received: objective={[term.name for term in model.objective]}"
        )


def _condition_rows(model, contexts, labels):
    """Pairs contexts and labels, checking that the model reads what is given."""
    contexts = [contexts] if isinstance(contexts, str) else contexts
    columns = {"context": contexts, "label": labels}
    for key, values in columns.items():
        if (values is None) == (key in model.requires):
            verb = "reads" if key in model.requires else "does not read"
            raise ValueError(
                f"This {type(model).__name__} {verb} a {key}. "
                f"Received: {key}s={values!r}"
            )
    given = {key: list(v) for key, v in columns.items() if v is not None}
    if len({len(values) for values in given.values()}) > 1:
        raise ValueError(
            "There must be one label for each context. Received: "
            + ", ".join(f"{len(values)} {key}s" for key, values in given.items())
        )
    return [
        dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)
    ]


def _condition_inputs(model, rows):
    """Turns contexts and labels into a batch."""
    inputs = {}
    if "label" in rows[0]:
        inputs["label"] = tf.constant([row["label"] for row in rows], tf.int32)
    if "context" in rows[0]:
        turns = [
            [row["context"]] if isinstance(row["context"], str) else row["context"]
            for row in rows
        ]
        flat = [text for each in turns for text in each]
        tokens = tokenize(model, flat)["tokens"].numpy()
        most = max(len(each) for each in turns)
        padded = np.zeros([len(rows), most, tokens.shape[1]], np.int32)
        start = 0
        for index, each in enumerate(turns):
            padded[index, most - len(each) :] = tokens[start : start + len(each)]
            start += len(each)
        inputs["context"] = tf.constant(padded[:, 0] if most == 1 else padded)
    return inputs
