"""Log-probabilities of words under a softmax over the vocabulary, fused."""

import tensorflow as tf


def token_log_probs(hidden, kernel, bias, targets, *, chunk_size=None):
    """Returns the log-probability of each target word under a softmax.

    Computes `log_softmax(hidden @ kernel + bias)[targets]` in float32 and, with a
    `chunk_size`, never holds more than that many rows of logits: the gradient then
    computes them again chunk by chunk.

    Args:
        hidden: Float tensor `[N, D]`.
        kernel: Float tensor `[D, V]`.
        bias: Float tensor `[V]`.
        targets: Int tensor `[N]`, word ids in `[0, V)`.
        chunk_size: Positive int, rows of logits at once, or `None` for all rows
            at once, which is faster and takes `N * V` floats. Defaults to `None`.

    Returns:
        Float32 tensor `[N]`, in nats.

    Example:
    >>> hidden = tf.constant([[1.0, 0.0], [0.0, 2.0]])
    >>> identity, no_bias = tf.eye(2), tf.zeros(2)
    >>> token_log_probs(hidden, identity, no_bias, [0, 0]).numpy().round(4)
    array([-0.3133, -2.1269], dtype=float32)
    """
    # A function with a gradient of its own takes no variable of `tf.distribute`.
    args = [tf.convert_to_tensor(each) for each in (hidden, kernel, bias, targets)]
    return _all_rows(*args) if chunk_size is None else _by_chunks(*args, chunk_size)


def _log_probs(hidden, kernel, bias, targets):
    """Returns the targets' log-probabilities `[N]` and all probabilities `[N, V]`."""
    logits = tf.cast(tf.matmul(hidden, kernel), tf.float32) + tf.cast(bias, tf.float32)
    # A kernel of one pass over the logits. What they were normalised by follows from
    # the largest, whose probability is at least 1 / V.
    probs = tf.nn.softmax(logits)
    largest = tf.reduce_max(logits, axis=-1)
    log_total = largest - tf.math.log(tf.reduce_max(probs, axis=-1))
    return tf.gather(logits, targets, batch_dims=1) - log_total, probs


def _gradients(upstream, hidden, kernel, targets, probs):
    """Returns the gradients of `_log_probs` for hidden, kernel and bias.

    The upstream weights multiply rows of the narrow factors, `[N, D]`, so that the
    products are all that passes over `[N, V]`.
    """
    rows = tf.range(tf.shape(targets)[0])
    places = tf.stack([rows, tf.cast(targets, rows.dtype)], axis=-1)
    excess = tf.tensor_scatter_nd_sub(probs, places, tf.ones_like(upstream))
    narrow = tf.cast(excess, hidden.dtype)
    weights = -tf.cast(upstream, hidden.dtype)[:, None]
    d_hidden = weights * tf.matmul(narrow, kernel, transpose_b=True)
    # One after the other: side by side they drive each other out of the caches.
    with tf.control_dependencies([d_hidden]):
        d_kernel = tf.matmul(weights * hidden, narrow, transpose_a=True)
    with tf.control_dependencies([d_kernel]):
        d_bias = -tf.linalg.matvec(excess, upstream, transpose_a=True)
    return d_hidden, d_kernel, d_bias


@tf.custom_gradient
def _all_rows(hidden, kernel, bias, targets):
    result, probs = _log_probs(hidden, kernel, bias, targets)

    def gradient(upstream):
        d_hidden, d_kernel, d_bias = _gradients(
            upstream, hidden, kernel, targets, probs
        )
        return d_hidden, d_kernel, tf.cast(d_bias, bias.dtype), None

    return result, gradient


def _by_chunks(hidden, kernel, bias, targets, chunk_size):
    num_rows = tf.shape(hidden)[0]
    num_chunks = (num_rows + chunk_size - 1) // chunk_size
    missing = num_chunks * chunk_size - num_rows
    hidden_dim = hidden.shape[-1]

    def cut(values, *dims):
        padding = [[0, missing], *([0, 0] for _ in dims)]
        return tf.reshape(tf.pad(values, padding), [num_chunks, chunk_size, *dims])

    @tf.custom_gradient
    def run(hidden, kernel, bias):
        rows, words = cut(hidden, hidden_dim), cut(targets)
        result = tf.map_fn(
            lambda pair: _log_probs(pair[0], kernel, bias, pair[1])[0],
            (rows, words),
            fn_output_signature=tf.TensorSpec([chunk_size], tf.float32),
            parallel_iterations=1,
        )

        def gradient(upstream):
            weights = cut(upstream)

            def step(t, d_rows, d_kernel, d_bias):
                _, probs = _log_probs(rows[t], kernel, bias, words[t])
                d_hidden, more_kernel, more_bias = _gradients(
                    weights[t], rows[t], kernel, words[t], probs
                )
                d_rows = d_rows.write(t, d_hidden)
                return t + 1, d_rows, d_kernel + more_kernel, d_bias + more_bias

            _, d_rows, d_kernel, d_bias = tf.while_loop(
                lambda t, *_: t < num_chunks,
                step,
                (
                    0,
                    tf.TensorArray(
                        hidden.dtype,
                        size=num_chunks,
                        element_shape=[chunk_size, hidden_dim],
                    ),
                    tf.zeros_like(kernel),
                    tf.zeros_like(bias, dtype=tf.float32),
                ),
                maximum_iterations=num_chunks,
            )
            d_hidden = tf.reshape(d_rows.stack(), [-1, hidden_dim])[:num_rows]
            return d_hidden, d_kernel, tf.cast(d_bias, bias.dtype)

        return tf.reshape(result, [-1])[:num_rows], gradient

    return run(hidden, kernel, bias)
