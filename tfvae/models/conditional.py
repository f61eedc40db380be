"""What conditional models write: answers to contexts, sentences with other labels."""

import numpy as np
import tensorflow as tf

from tfvae.models import inference
from tfvae.models.inputs import (
    SEED_SPEC,
    as_texts,
    require_tokenizer,
    specs_of,
    tokenize,
)
from tfvae.models.writing import require_latent, texts_of
from tfvae.samplers import get_sampler
from tfvae.seeds import Stream, as_seed, fold_in


def response_ids(model, inputs, num, sampler, max_length, seed):
    """Writes answers to a batch of contexts, as ids.

    Where all answers to a context are the same, one is written and repeated.

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
    repeats = num if has_one_answer(model, sampler) else 1
    num_written = num // repeats

    def write(inputs, seed):
        memory = inference.response_memory(
            model, inputs, num_written, fold_in(seed, Stream.PRIOR)
        )
        rows = tf.reshape(memory, [-1, memory.shape[-1]])
        words = fold_in(seed, Stream.WORDS)
        return sampler(model.decoder, rows, max_length, words)

    specs = specs_of(inputs)
    key = ("respond", num_written, sampler.key, max_length, tuple(specs.items()))
    run = model.compiled_function(key, write, specs, SEED_SPEC)
    return np.tile(run(inputs, seed).numpy(), [repeats, 1])


def has_one_answer(model, sampler):
    """Tells whether all answers of a model to a context are the same.

    They are where the context has one code, or none, and a sampler without chance
    writes from it.
    """
    if sampler.is_random:
        return False
    if model.posterior is None:
        return True
    return model.encoder_reads == "context" and not model.posterior.is_random


def can_respond(model):
    """Tells whether the decoder learned to read what answers are written from."""
    if model.posterior is None or model.encoder_reads == "context":
        return True
    return any(term.trains_prior or term.pools_codes for term in model.objective)


def require_trained_prior(model):
    """Refuses a prior whose samples the decoder has never learned to read.

    Raises:
        ValueError: If no term of the objective brings codes to the prior.
    """
    if not can_respond(model):
        raise ValueError(
            "A response is written from a sample of the prior, and no term of this "
            "model brings its codes there. Train one with `KL` or `MMD`. "
            f"Received: objective={[term.name for term in model.objective]}"
        )


def transfer(model, texts, labels, sampler, max_length, max_read, seed, batch_size):
    """Writes sentences again with other labels; see `VAE.transfer`."""
    tokenizer = require_tokenizer(model)
    require_transfer(model)
    texts = as_texts(texts)
    if isinstance(labels, (str, int)):
        labels = [labels] * len(texts)
    numbers = [model.label_number(label) for label in labels]
    if len(numbers) != len(texts):
        raise ValueError(
            "`labels` must be one for all sentences, or one for each. Received: "
            f"{len(numbers)} labels, {len(texts)} sentences"
        )
    sampler, written = get_sampler(sampler), []

    def write(tokens, label, seed):
        params = model.posterior(model.encoder(tokens))
        context = inference.encode_condition(model, {"label": label}, seed)
        memory = model.memory(model.posterior.mode(params)[None], context)[0]
        return sampler(model.decoder, memory, max_length, seed)

    run = model.compiled_function(
        ("transfer", sampler.key, max_length),
        write,
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None], tf.int32),
        SEED_SPEC,
    )
    for start in range(0, len(texts), batch_size):
        chunk = slice(start, start + batch_size)
        tokens = tokenize(model, texts[chunk], max_read or max_length)["tokens"]
        label = tf.constant(numbers[chunk], tf.int32)
        ids = run(tokens, label, fold_in(as_seed(seed), start)).numpy()
        written += texts_of(tokenizer, ids)
    return written


def can_transfer(model):
    """Returns whether a model can write a sentence with another label."""
    return (
        model.posterior is not None
        and model.requires == ("label",)
        and model.label_names is not None
        and "posterior" not in model.context_to
    )


def require_transfer(model):
    """Refuses a model that cannot write a sentence with another label.

    Raises:
        ValueError: If it has no latent, reads no label, reads contexts, or its
            posterior reads the label.
    """
    require_latent(model)
    if can_transfer(model):
        return
    if model.requires != ("label",) or model.label_names is None:
        read = " and ".join(model.requires) or "nothing"
        raise ValueError(
            f"This {type(model).__name__} reads {read} beside the sentence, and "
            "transfer takes one that reads a label. Train a preset such as "
            "`arae` with --label-column."
        )
    raise ValueError(
        "The posterior of this model reads the label, so that codes are of a "
        "sentence with its own. Train a preset of style transfer, such as "
        "`vae_transfer`, or build it with `context_to=('bridge',)`."
    )
