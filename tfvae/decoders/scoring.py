"""From what the vocabulary layer reads to `log p(x|z)`."""

import tensorflow as tf

from tfvae.kernels.sequences import append_eos, lengths
from tfvae.kernels.vocabulary import token_log_probs

# Rows of logits at once when a batch is scored under several samples.
_CHUNK_SIZE = 4096


def sentence_log_probs(hidden, output_layer, tokens, num_samples):
    """Sums the log-probabilities of each sentence's words and `</s>`.

    Args:
        hidden: Float tensor `[T + 1, S * B, D]`, time-major, samples outermost; the
            first step is to predict the first word.
        output_layer: Built dense layer from `D` to the vocabulary.
        tokens: Int tensor `[B, T]`, right-padded words without marks.
        num_samples: Int `S`.

    Returns:
        Float32 tensor `[S, B]`, in nats.
    """
    targets = tf.transpose(append_eos(tokens))
    num_steps, batch_size = tf.unstack(tf.shape(targets))
    rows = tf.reshape(tf.tile(targets[:, None, :], [1, num_samples, 1]), [-1])
    scores = token_log_probs(
        tf.reshape(hidden, [-1, hidden.shape[-1]]),
        tf.cast(output_layer.kernel.value, hidden.dtype),
        output_layer.bias.value,
        rows,
        chunk_size=None if num_samples == 1 else _CHUNK_SIZE,
    )
    scores = tf.reshape(scores, [num_steps, num_samples, batch_size])
    counted = tf.range(num_steps)[:, None] <= lengths(tokens)[None, :]
    return tf.reduce_sum(tf.where(counted[:, None, :], scores, 0.0), axis=0)
