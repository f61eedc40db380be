"""Sentences in, sentences out: what people do with a trained model."""

import tensorflow as tf

from tfvae.kernels.sequences import PAD_ID
from tfvae.models.sampling import get_sampler
from tfvae.seeds import as_seed, fold_in


def tokenize(model, texts, max_length=None):
    """Turns sentences into a batch.

    Args:
        model: A model with a tokenizer.
        texts: List of str.
        max_length: Int, words after which a sentence is cut, or `None`.

    Returns:
        Dict with `"tokens"`, int32 `[B, T]`, at least one column wide.

    Raises:
        ValueError: If the model has no tokenizer or a sentence has no words.
    """
    words = _tokenizer(model).tokenize(tf.constant(texts))
    if max_length is not None:
        words = words[:, :max_length]
    tokens = words.to_tensor(PAD_ID)
    lengths = words.row_lengths().numpy()
    for text, length in zip(texts, lengths, strict=True):
        if length == 0:
            raise ValueError(f"A sentence needs words. Received: {text!r}")
    return {"tokens": tokens}


def write(model, num, *, sampler="ancestral", max_length=60, seed=0, batch_size=100):
    """Writes sentences, from draws of the prior where there is a latent.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        num: Positive int.
        sampler: `Sampler` or its name. Defaults to `"ancestral"`.
        max_length: Positive int, the most words. Defaults to `60`.
        seed: Int. The same seed and `batch_size` write the same sentences.
        batch_size: Positive int, sentences written at once.

    Yields:
        Str, one sentence at a time.

    Raises:
        ValueError: If `num` is not positive or the model has no tokenizer.
    """
    if num < 1:
        raise ValueError(f"`num` must be positive. Received: num={num}")
    tokenizer = _tokenizer(model)
    sampler = get_sampler(sampler)

    @tf.function
    def write_batch(seed):
        ids = model.generate(
            batch_size, sampler=sampler, max_length=max_length, seed=seed
        )
        return tokenizer.detokenize(ids)

    for start in range(0, num, batch_size):
        texts = write_batch(fold_in(as_seed(seed), start)).numpy()
        for text in texts[: num - start]:
            yield text.decode("utf-8")


def reconstruct(
    model, texts, *, sampler="greedy", max_length=60, seed=0, batch_size=100
):
    """Encodes sentences and writes them again from the posterior's point.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str.
        sampler: `Sampler` or its name. Defaults to `"greedy"`.
        max_length: Positive int, the most words read and written. Defaults to `60`.
        seed: Int.
        batch_size: Positive int, sentences at once.

    Yields:
        Tuple of a sentence and its reconstruction.

    Raises:
        ValueError: If the model has no latent or no tokenizer.
    """
    tokenizer = _tokenizer(model)
    _require_latent(model)
    sampler = get_sampler(sampler)

    @tf.function(reduce_retracing=True)
    def write_batch(tokens, seed):
        z = model.posterior.point(model.encode({"tokens": tokens}))
        ids = model.decode(z, sampler=sampler, max_length=max_length, seed=seed)
        return tokenizer.detokenize(ids)

    def flush(held, start):
        tokens = tokenize(model, held, max_length)["tokens"]
        written = write_batch(tokens, fold_in(as_seed(seed), start)).numpy()
        for text, again in zip(held, written, strict=True):
            yield text, again.decode("utf-8")

    held, start = [], 0
    for text in texts:
        held.append(text)
        if len(held) == batch_size:
            yield from flush(held, start)
            start, held = start + batch_size, []
    if held:
        yield from flush(held, start)


def interpolate(model, text_a, text_b, *, num_steps=7, max_length=60):
    """Writes the sentences on the way between two.

    The codes lie on the straight line between the two posteriors' points, both ends
    included, and are decoded greedily.

    Args:
        model: `VAE` with a tokenizer.
        text_a: Str.
        text_b: Str.
        num_steps: Int of at least 2, sentences written. Defaults to `7`.
        max_length: Positive int, the most words read and written. Defaults to `60`.

    Returns:
        List of tuples of the fraction of the way and the sentence there.

    Raises:
        ValueError: If `num_steps` is below 2, a sentence has no words, or the model
            has no latent or no tokenizer.
    """
    if num_steps < 2:
        raise ValueError(
            f"`num_steps` must be at least 2. Received: num_steps={num_steps}"
        )
    tokenizer = _tokenizer(model)
    _require_latent(model)
    params = model.encode(tokenize(model, [text_a, text_b], max_length))
    first, last = tf.unstack(model.posterior.point(params))
    fractions = [step / (num_steps - 1) for step in range(num_steps)]
    z = tf.stack([first + fraction * (last - first) for fraction in fractions])
    written = tokenizer.detokenize(model.decode(z, max_length=max_length)).numpy()
    return [
        (fraction, text.decode("utf-8"))
        for fraction, text in zip(fractions, written, strict=True)
    ]


def _tokenizer(model):
    if model.tokenizer is None:
        raise ValueError(
            "Reading and writing text needs a tokenizer. Build the model with "
            "`tokenizer=...`. Received: tokenizer=None"
        )
    return model.tokenizer


def _require_latent(model):
    if model.posterior is None:
        raise ValueError(
            f"A {type(model).__name__} has no latent to encode a sentence into; use "
            "a VAE. It can only generate."
        )
