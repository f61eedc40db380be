"""Noise on token ids."""

import tensorflow as tf

from tfvae.seeds import uniform
from tfvae.text.vocabulary import BOS_ID, PAD_ID, UNK_ID


def word_dropout(tokens, rate, seed):
    """Replaces words by `<unk>`, each independently with probability `rate`.

    On a decoder's inputs this takes the previous word away, so that the latent code is
    worth reading. It is not dropout on embeddings, which zeroes single coordinates of
    a word's vector, rescales the rest and leaves the word recognisable; here the whole
    word is gone, nothing is rescaled, and what remains is an ordinary input.

    Args:
        tokens: Int tensor of any shape. Token ids; padding and `<s>` stay.
        rate: Float in `[0, 1]`, or a scalar float tensor.
        seed: Int tensor `[2]`. The same seed drops the same places.

    Returns:
        Int tensor of the shape and dtype of `tokens`.

    Raises:
        ValueError: If `rate` is a number outside `[0, 1]`.

    References:
        Bowman et al. (2016), Generating Sentences from a Continuous Space, section 3.1.

    Example:
    >>> word_dropout(tf.constant([[1, 7, 8, 0]]), 1.0, seed=[0, 1]).numpy()
    array([[1, 3, 3, 0]], dtype=int32)
    """
    if not tf.is_tensor(rate) and not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be within [0, 1]. Received: rate={rate}")
    tokens = tf.convert_to_tensor(tokens)
    chosen = uniform(tf.shape(tokens), seed) < rate
    dropped = chosen & (tokens != PAD_ID) & (tokens != BOS_ID)
    return tf.where(dropped, tf.cast(UNK_ID, tokens.dtype), tokens)
