"""Right-padded batches of token ids: special tokens, lengths, targets."""

import tensorflow as tf

PAD_ID, BOS_ID, EOS_ID, UNK_ID = range(4)


def lengths(tokens):
    """Counts the ids before the padding, `[B, T]` to int32 `[B]`."""
    return tf.reduce_sum(tf.cast(tf.not_equal(tokens, PAD_ID), tf.int32), axis=-1)


def append_eos(tokens):
    """Puts `</s>` after the last word, `[B, T]` to `[B, T + 1]`."""
    padded = tf.pad(tokens, [[0, 0], [0, 1]], constant_values=PAD_ID)
    positions = tf.range(tf.shape(padded)[1])[None, :]
    end = tf.equal(positions, lengths(tokens)[:, None])
    return tf.where(end, tf.cast(EOS_ID, tokens.dtype), padded)


def prepend_bos(tokens):
    """Puts `<s>` before the first word, `[B, T]` to `[B, T + 1]`."""
    return tf.pad(tokens, [[0, 0], [1, 0]], constant_values=BOS_ID)


def add_special_tokens(tokens, *, bos, eos):
    """Puts `<s>` in front, `</s>` behind, or both, around right-padded words."""
    if eos:
        tokens = append_eos(tokens)
    return prepend_bos(tokens) if bos else tokens


def reverse(tokens, num_tokens):
    """Reverses the first `num_tokens` ids of each row and leaves the padding."""
    return tf.reverse_sequence(tokens, num_tokens, seq_axis=1)


def state_at(states, num_tokens):
    """Gathers the state after `num_tokens` steps.

    Args:
        states: Float tensor `[T, B, H]`, time-major.
        num_tokens: Int tensor `[B]`.

    Returns:
        Float tensor `[B, H]`; zero, the state before any word, where a row is empty.
    """
    batch_size = tf.shape(states)[1]
    last = tf.maximum(num_tokens - 1, 0)
    chosen = tf.gather_nd(states, tf.stack([last, tf.range(batch_size)], -1))
    return tf.where(num_tokens[:, None] > 0, chosen, tf.zeros_like(chosen))


def mean_over_tokens(states, num_tokens):
    """Averages the states of the first `num_tokens` steps.

    Args:
        states: Float tensor `[T, B, H]`, time-major.
        num_tokens: Int tensor `[B]`.

    Returns:
        Float tensor `[B, H]`; zero where a row is empty.
    """
    # In float32, since a long sum has few digits left in half precision.
    inside = _inside(states, num_tokens)
    total = tf.reduce_sum(tf.where(inside, tf.cast(states, tf.float32), 0.0), 0)
    count = tf.cast(tf.maximum(num_tokens, 1), tf.float32)
    return tf.cast(total / count[:, None], states.dtype)


def max_over_tokens(states, num_tokens):
    """Takes each component's largest value over the first `num_tokens` steps.

    Args:
        states: Float tensor `[T, B, H]`, time-major.
        num_tokens: Int tensor `[B]`.

    Returns:
        Float tensor `[B, H]`; zero where a row is empty.
    """
    inside = _inside(states, num_tokens)
    largest = tf.reduce_max(tf.where(inside, states, states.dtype.min), 0)
    return tf.where(num_tokens[:, None] > 0, largest, tf.zeros_like(largest))


def _inside(states, num_tokens):
    """Tells which steps of `[T, B, H]` come before the padding, `[T, B, 1]`."""
    return (tf.range(tf.shape(states)[0])[:, None] < num_tokens)[..., None]
