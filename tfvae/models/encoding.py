"""From sentences to batches of ids, and to latent codes."""

import itertools

import tensorflow as tf

from tfvae.kernels.sequences import PAD_ID
from tfvae.seeds import as_seed, fold_in


def tokenizer_of(model):
    """Gives a model's tokenizer.

    Raises:
        ValueError: If it has none.
    """
    if model.tokenizer is None:
        raise ValueError(
            "Reading and writing text needs a tokenizer. Build the model with "
            "`tokenizer=...`. Received: tokenizer=None"
        )
    return model.tokenizer


def require_latent(model):
    """Refuses a model without a latent.

    Raises:
        ValueError: If there is no posterior.
    """
    if model.posterior is None:
        raise ValueError(
            f"A {type(model).__name__} has no latent to encode a sentence into; use "
            "a VAE. It can only generate."
        )


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
    words = tokenizer_of(model).tokenize(tf.constant(texts))
    if max_length is not None:
        words = words[:, :max_length]
    tokens = words.to_tensor(PAD_ID)
    lengths = words.row_lengths().numpy()
    for text, length in zip(texts, lengths, strict=True):
        if length == 0:
            raise ValueError(f"A sentence needs words. Received: {text!r}")
    return {"tokens": tokens}


def encode(model, texts, *, num_samples=None, max_length=None, seed=0, batch_size=100):
    """Encodes sentences in batches, in their order.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str; it may have no end.
        num_samples: Positive int `S`, codes drawn from each posterior, or `None` for
            the posterior's point.
        max_length: Int, words after which a sentence is cut, or `None`.
        seed: Int, of the draws. The same seed and `batch_size` draw the same codes.
        batch_size: Positive int, sentences at once.

    Yields:
        Tuples of a list of `B` sentences and their codes, float32 array `[B, Z]`, or
        `[S, B, Z]` with `num_samples`.

    Raises:
        ValueError: If the model has no latent or no tokenizer, a sentence has no
            words, or `num_samples` is not positive.
    """
    tokenizer_of(model)
    require_latent(model)
    if num_samples is not None and num_samples < 1:
        raise ValueError(
            "`num_samples` must be positive, or None for the posterior's point. "
            f"Received: num_samples={num_samples}"
        )

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def codes_of(tokens, seed):
        params = model.encode({"tokens": tokens})
        if num_samples is None:
            return model.posterior.point(params)
        return model.posterior.sample(params, num_samples, seed)[0]

    texts, seed = iter(texts), as_seed(seed)
    for number in itertools.count():
        batch = list(itertools.islice(texts, batch_size))
        if not batch:
            return
        tokens = tokenize(model, batch, max_length)["tokens"]
        yield batch, codes_of(tokens, fold_in(seed, number)).numpy()
