"""Variational lower bounds of divergences and of mutual information.

All are functions of a critic's scores. Pairs that belong together are samples of the
joint distribution; rolling the batch makes samples of the product of the marginals.
"""

import tensorflow as tf

# Above it `bounded_exp` is a straight line: the square of its slope, which Adam keeps,
# is still a float32.
_LARGEST_EXPONENT = 40.0


def log_mean_exp(values):
    """Computes `log(mean(exp(values)))` over all axes without overflow.

    Example:
    >>> round(float(log_mean_exp(tf.constant([200.0, 200.0]))), 2)
    200.0
    """
    size = tf.cast(tf.size(values), values.dtype)
    return tf.reduce_logsumexp(values) - tf.math.log(size)


def bounded_exp(values):
    """Computes `exp(values)`, continued by its tangent above 40.

    Args:
        values: Float tensor of any shape.

    Returns:
        Float tensor of that shape, finite, as are its gradients.
    """
    beyond = tf.nn.relu(values - _LARGEST_EXPONENT)
    return tf.exp(tf.minimum(values, _LARGEST_EXPONENT)) * (1.0 + beyond)


def donsker_varadhan(joint, product):
    """Computes `mean(joint) - log(mean(exp(product)))`.

    Args:
        joint: Float32 tensor, scores of samples of the first distribution.
        product: Float32 tensor, scores of samples of the second.

    Returns:
        Float32 scalar, in nats. On new samples it is at most the divergence of the
        first from the second, up to the bias of the logarithm of a mean.

    References:
        Belghazi et al. 2018, Mutual Information Neural Estimation, theorem 1.
    """
    return tf.reduce_mean(joint) - log_mean_exp(product)


def tangent_bound(joint, product, log_tangent=0.0):
    """Computes `mean(joint) - tangent * mean(exp(product)) + log(tangent) + 1`.

    A lower bound for every positive tangent that does not depend on the samples. The
    best tangent is `1 / mean(exp(product))`, where the bound equals
    `donsker_varadhan`. At tangent 1 it is the dual form of the divergence.

    Args:
        joint: Float32 tensor, scores of samples of the first distribution.
        product: Float32 tensor, scores of samples of the second.
        log_tangent: Float32 scalar. Defaults to `0.0`.

    Returns:
        Float32 scalar, in nats. Finite at every score; the bound holds while
        `log_tangent + log_mean_exp(product)` is at most 40.

    References:
        Nguyen et al. 2010, Estimating Divergence Functionals; Fang et al. 2019,
        section 3, for tangent 1 (their objective drops the constant).
    """
    scaled = bounded_exp(log_tangent + log_mean_exp(product))
    return tf.reduce_mean(joint) - scaled + log_tangent + 1.0


def roll_batch(z, shift=0):
    """Pairs each row of a batch with another row's code.

    A random permutation would leave about one code in its place, which lowers the
    estimates.

    Args:
        z: Float tensor `[..., B, Z]`.
        shift: Non-negative int; `B - 1` of them give different pairs.

    Returns:
        Float tensor `[..., B, Z]`. A batch of one is returned as it is.

    Example:
    >>> roll_batch(tf.constant([[1.0], [2.0], [3.0]]))[:, 0].numpy()
    array([2., 3., 1.], dtype=float32)
    """
    size = tf.shape(z)[-2]
    step = 1 + shift % tf.maximum(size - 1, 1)
    return tf.gather(z, (tf.range(size) + step) % size, axis=-2)
