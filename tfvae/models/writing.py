"""Sentences in, sentences out: what people do with a trained model."""

import itertools

import numpy as np
import tensorflow as tf

from tfvae.models.encoding import encode, tokenizer_of
from tfvae.models.encoding import tokenize as tokenize
from tfvae.models.interpolation import interpolate as interpolate
from tfvae.models.sampling import get_sampler
from tfvae.seeds import as_seed, fold_in

# Measured best for 10,000 words: more rows do not fit the processor's caches.
BATCH_SIZE = 500


def write(
    model,
    num,
    *,
    sampler="ancestral",
    codes=None,
    max_length=60,
    seed=0,
    batch_size=BATCH_SIZE,
):
    """Writes sentences, from draws of the prior where there is a latent.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        num: Positive int. It does not change the sentences that come first.
        sampler: `Sampler` or its name. Defaults to `"ancestral"`.
        codes: Iterable of at least `num` latent codes, float arrays `[Z]`, to write
            from, as `posterior_codes` gives them; `None` for the prior.
        max_length: Positive int, the most ids, `</s>` included. Defaults to `60`.
        seed: Int. The same seed and `batch_size` write the same sentences.
        batch_size: Positive int, sentences written at once.

    Yields:
        Str, one sentence at a time.

    Raises:
        ValueError: If `num` or `batch_size` is not positive, or the model has no
            tokenizer.
    """
    if num < 1 or batch_size < 1:
        raise ValueError(
            "`num` and `batch_size` must be positive. Received: "
            f"num={num}, batch_size={batch_size}"
        )
    tokenizer = tokenizer_of(model)
    sampler = get_sampler(sampler)
    options = {"sampler": sampler, "max_length": max_length}

    @tf.function(reduce_retracing=True)
    def from_codes(z, seed):
        return tokenizer.detokenize(model.decode(z, seed=seed, **options))

    @tf.function(reduce_retracing=True)
    def from_nothing(size, seed):
        if model.posterior is None:
            return tokenizer.detokenize(model.generate(size, seed=seed, **options))
        # All are drawn, so that a smaller batch has the same.
        z = model.sample_prior(batch_size, fold_in(seed, 0))[:size]
        return from_codes(z, fold_in(seed, 1))

    codes = None if codes is None else iter(codes)
    for start in range(0, num, batch_size):
        size = min(batch_size, num - start)
        batch_seed = fold_in(as_seed(seed), start)
        if codes is None:
            texts = from_nothing(tf.constant(size), batch_seed)
        else:
            z = np.stack(list(itertools.islice(codes, size))).astype("float32")
            texts = from_codes(tf.constant(z), batch_seed)
        for text in texts.numpy():
            yield text.decode("utf-8")


def posterior_codes(model, texts, *, max_length=None, seed=0):
    """Draws a code from each sentence's posterior, over and over in their order.

    Args:
        model: `VAE` with a tokenizer.
        texts: Callable that returns a fresh iterator of str, or a list.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int.

    Yields:
        Float32 arrays `[Z]`, without end.

    Raises:
        ValueError: If the model has no latent or no tokenizer, or a sentence has no
            words.
    """
    read = texts if callable(texts) else lambda: texts
    endless = itertools.chain.from_iterable(read() for _ in itertools.count())
    yield from _drawn(model, endless, max_length, seed)


def aggregate_codes(model, texts, *, max_length=None, seed=0):
    """Draws codes from the aggregated posterior, the mean of all posteriors.

    Each comes from the posterior of a sentence drawn at random, with replacement.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str, at least one; all are held in memory.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int.

    Yields:
        Float32 arrays `[Z]`, without end.

    Raises:
        ValueError: If there is no sentence, the model has no latent or no tokenizer,
            or a sentence has no words.
    """
    texts = list(texts)
    if not texts:
        raise ValueError("`texts` must hold a sentence. Received: none")
    random = np.random.default_rng(seed)
    endless = (texts[random.integers(len(texts))] for _ in itertools.count())
    yield from _drawn(model, endless, max_length, seed)


def _drawn(model, texts, max_length, seed):
    batches = encode(model, texts, num_samples=1, max_length=max_length, seed=seed)
    for _, codes in batches:
        yield from codes[0]


def reconstruct(
    model,
    texts,
    *,
    num_samples=None,
    sampler="greedy",
    max_length=60,
    seed=0,
    batch_size=100,
):
    """Encodes sentences and writes them again.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str.
        num_samples: Positive int, codes drawn from each posterior, or `None` for the
            posterior's point.
        sampler: `Sampler` or its name. Defaults to `"greedy"`.
        max_length: Positive int, the most words read, and the most ids written.
            Defaults to `60`.
        seed: Int.
        batch_size: Positive int, sentences at once.

    Yields:
        Tuple of a sentence and its reconstruction; with `num_samples` as many tuples
        for each sentence, one after the other.

    Raises:
        ValueError: If the model has no latent or no tokenizer, or a sentence has no
            words.
    """
    tokenizer = tokenizer_of(model)
    sampler = get_sampler(sampler)

    @tf.function(reduce_retracing=True)
    def write_batch(z, seed):
        ids = model.decode(z, sampler=sampler, max_length=max_length, seed=seed)
        return tokenizer.detokenize(ids)

    batches = encode(
        model,
        texts,
        num_samples=num_samples,
        max_length=max_length,
        seed=fold_in(as_seed(seed), 0),
        batch_size=batch_size,
    )
    for number, (held, codes) in enumerate(batches):
        codes = codes.reshape([-1, *codes.shape[-2:]])
        # A sentence's samples one after the other.
        z = codes.swapaxes(0, 1).reshape([-1, codes.shape[-1]])
        sources = [text for text in held for _ in range(len(codes))]
        written = write_batch(tf.constant(z), fold_in(as_seed(seed), number + 1))
        for text, again in zip(sources, written.numpy(), strict=True):
            yield text, again.decode("utf-8")
