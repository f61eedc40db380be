"""Sentences on the way between two codes."""

import numpy as np
import tensorflow as tf

from tfvae.kernels.paths import interpolation_path
from tfvae.models.encoding import encode, require_latent, tokenizer_of
from tfvae.seeds import as_seed, fold_in


def points_of(model, texts, max_length=None):
    """Gives the posterior's point of each sentence.

    Args:
        model: `VAE` with a tokenizer.
        texts: List of str, at least one.
        max_length: Int, words after which a sentence is cut, or `None`.

    Returns:
        Float32 array `[N, Z]`.

    Raises:
        ValueError: If the model has no latent or no tokenizer, or a sentence has no
            words.
    """
    batches = encode(model, texts, max_length=max_length)
    return np.concatenate([codes for _, codes in batches])


def walk(
    model,
    first,
    last,
    *,
    num_steps=7,
    path="auto",
    sampler="greedy",
    max_length=60,
    seed=0,
):
    """Writes the sentences at equal steps between two codes, both ends included.

    Args:
        model: `VAE` with a tokenizer.
        first: Float array `[Z]`.
        last: Float array `[Z]`.
        num_steps: Int of at least 2, sentences written. Defaults to `7`.
        path: `"line"`, `"sphere"` for the great circle, or `"auto"` for the one that
            stays in the posterior's support. Defaults to `"auto"`.
        sampler: `Sampler` or its name. Defaults to `"greedy"`.
        max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
        seed: Int, of a sampler that draws.

    Returns:
        List of tuples of the fraction of the way and the sentence there.

    Raises:
        ValueError: If `num_steps` is below 2, `path` is unknown, or the model has no
            latent or no tokenizer.
    """
    tokenizer = tokenizer_of(model)
    require_latent(model)
    if path == "auto":
        path = "sphere" if model.posterior.support == "sphere" else "line"
    fractions, codes = interpolation_path(first, last, num_steps, path)
    z = tf.constant(codes, tf.float32)
    ids = model.decode(z, sampler=sampler, max_length=max_length, seed=seed)
    written = tokenizer.detokenize(ids).numpy()
    return [
        (float(fraction), text.decode("utf-8"))
        for fraction, text in zip(fractions, written, strict=True)
    ]


def interpolate(model, text_a, text_b, *, max_length=60, **options):
    """Writes the sentences on the way between two.

    The codes lie between the two posteriors' points, both ends included.

    Args:
        model: `VAE` with a tokenizer.
        text_a: Str.
        text_b: Str.
        max_length: Positive int, the most words read, and the most ids written.
            Defaults to `60`.
        **options: Of `walk`.

    Returns:
        List of tuples of the fraction of the way and the sentence there.

    Raises:
        ValueError: If a sentence has no words, or as `walk`.
    """
    first, last = points_of(model, [text_a, text_b], max_length)
    return walk(model, first, last, max_length=max_length, **options)


def prior_ends(model, seed=0):
    """Draws two codes from the prior, for `walk`.

    Args:
        model: `VAE`.
        seed: Int. Defaults to `0`.

    Returns:
        Float32 array `[2, Z]`.

    Raises:
        ValueError: If the model has no latent.
    """
    require_latent(model)
    return model.sample_prior(2, fold_in(as_seed(seed), 0)).numpy()
