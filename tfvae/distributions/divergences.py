"""Divergences estimated from samples: MMD and its kernels, bounds by a critic."""

import tensorflow as tf

# Above it `bounded_exp` is a straight line: the square of its slope, which Adam keeps,
# is still a float32.
_LARGEST_EXPONENT = 40.0


def inverse_multiquadratic(x, y, base=2.0, scales=(1.0,)):
    """Computes the inverse multiquadratic kernel, summed over scales.

    Computes `sum over s of C / (C + |x - y| ** 2)` with `C = base * Z * s`. For codes
    of a standard normal, whose squared distance is `2 * Z` on average, Tolstikhin et
    al. and Coupled-VAE take `base=2`; the released code of Bahuleyan et al. has
    `base=4`.

    Args:
        x: Float tensor `[..., N, Z]`.
        y: Float tensor `[..., M, Z]`.
        base: Positive float, in squared units of the codes for each dimension.
        scales: Sequence of positive floats.

    Returns:
        Float32 tensor `[..., N, M]`, between 0 and the number of scales.

    Example:
    >>> inverse_multiquadratic([[0.0, 0.0]], [[2.0, 0.0]], scales=(1.0, 3.0)).numpy()
    array([[1.25]], dtype=float32)

    References:
        Tolstikhin et al. 2018, Wasserstein Auto-Encoders, section 4; Bahuleyan et al.
        2019, Stochastic Wasserstein Autoencoder, section 2.
    """
    distances, constant = _distances_and_constant(x, y, base)
    return tf.add_n([constant * s / (constant * s + distances) for s in scales])


def rbf(x, y, base=2.0, scales=(1.0,)):
    """Computes the Gaussian kernel, summed over scales.

    Computes `sum over s of exp(-|x - y| ** 2 / C)` with `C = base * Z * s`, the
    constants of `inverse_multiquadratic`.

    Args:
        x: Float tensor `[..., N, Z]`.
        y: Float tensor `[..., M, Z]`.
        base: Positive float, in squared units of the codes for each dimension.
        scales: Sequence of positive floats.

    Returns:
        Float32 tensor `[..., N, M]`, between 0 and the number of scales.

    Example:
    >>> rbf([[0.0, 0.0]], [[2.0, 0.0]]).numpy().round(4)
    array([[0.3679]], dtype=float32)

    References:
        Gretton et al. 2012, A Kernel Two-Sample Test.
    """
    distances, constant = _distances_and_constant(x, y, base)
    return tf.add_n([tf.exp(-distances / (constant * s)) for s in scales])


def mmd(x, y, kernel):
    """Estimates the squared maximum mean discrepancy of two samples.

    Computes `mean k(x_i, x_j) + mean k(y_i, y_j) - 2 * mean k(x_i, y_j)`, the first
    two means over `i != j`. The estimate is unbiased, so it may be negative.

    Args:
        x: Float tensor `[..., N, Z]`.
        y: Float tensor `[..., M, Z]`.
        kernel: Function of two samples, `[..., N, Z]` and `[..., M, Z]`, to
            `[..., N, M]`.

    Returns:
        Float32 tensor `[...]`. The mean within a sample of one counts as 0.

    Example:
    >>> x = [[0.0], [2.0]]
    >>> float(mmd(x, x, lambda a, b: 4.0 - abs(a - tf.transpose(b))))
    -2.0

    References:
        Gretton et al. 2012, equation 3. Equation 3 of Bahuleyan et al. 2019 lacks the
        factor 2.
    """
    x, y = (tf.convert_to_tensor(values, tf.float32) for values in (x, y))
    cross = tf.reduce_mean(kernel(x, y), [-2, -1])
    return _mean_of_pairs(kernel(x, x)) + _mean_of_pairs(kernel(y, y)) - 2.0 * cross


def _distances_and_constant(x, y, base):
    x, y = (tf.convert_to_tensor(values, tf.float32) for values in (x, y))
    # Of differences: an expanded square would cancel between near codes.
    differences = x[..., :, None, :] - y[..., None, :, :]
    size = tf.cast(tf.shape(x)[-1], tf.float32)
    return tf.reduce_sum(differences**2, -1), base * size


def _mean_of_pairs(values):
    """Averages the entries of `[..., N, N]` off the diagonal."""
    num = tf.shape(values)[-1]
    # A product, since XLA cannot differentiate `set_diag` at sizes known only at run
    # time.
    total = tf.reduce_sum(values * (1.0 - tf.eye(num)), [-2, -1])
    size = tf.cast(num, tf.float32)
    return total / tf.maximum(size * (size - 1.0), 1.0)


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
