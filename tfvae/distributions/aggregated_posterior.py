"""Posteriors against their mean over the sentences, the aggregated posterior."""

import math
import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.planar import FlowedNormal

tfd = tfp.distributions

# Floats in the largest array that a comparison of codes with posteriors holds.
_MAX_FLOATS = 2**22


class MutualInformation(typing.NamedTuple):
    """An estimate of the mutual information of sentence and code.

    Attributes:
        value: Float, in nats.
        cap: Float, the largest value the estimator can take, in nats; `inf` if none.
        block_size: Int, the number of posteriors in each mixture.
        log_own: Float64 `[S, N]`, `log q(z|x)` of each code in nats; NaN as below.
        log_marginal: Float64 `[S, N]`, `log q(z)` of each code in nats; NaN where
            there is no other posterior to compare with.
    """

    value: float
    cap: float
    block_size: int
    log_own: np.ndarray
    log_marginal: np.ndarray

    @property
    def by_sentence(self):
        """Mean of `log q(z|x) - log q(z)` over each sentence's codes, float64 `[N]`."""
        return np.mean(self.log_own - self.log_marginal, axis=0)


def mutual_information(posterior, params, z, *, block_size=None, leave_one_out=False):
    """Estimates the mutual information of sentence and code under the posterior.

    Computes `E[log q(z|x)] - E[log q(z)]` over codes `z` sampled from the posteriors,
    where `q(z)` is the mean of the posteriors in the block of consecutive sentences
    that the code's own sentence belongs to:

    - `block_size=None`: all sentences. At most `log(N)`.
    - `block_size=B`: as if in batches of `B`. At most `log(B)`; an average over
      sentences, so a smaller last block counts by its size.
    - `leave_one_out=True`: the sentence's own posterior is left out of the mean.
      There is no cap, and a posterior that overlaps with no other gives a value far
      above what the data can carry (`log(N)`): biased upwards. With
      `block_size=M + 1` this is the Coupled-VAE's definition, `M = 512`. A last block
      of a single sentence is left out of the average.

    With its own posterior in the mean, an estimate may be too low near its cap, and
    slightly negative where the information is about 0.

    Args:
        posterior: `Latent` with a density.
        params: Dict of its parameters, arrays `[N, ...]`.
        z: Float array `[S, N, Z]`, codes sampled from the posteriors.
        block_size: Positive int, or `None` for all sentences.
        leave_one_out: Whether to leave the own posterior out. Defaults to `False`.

    Returns:
        A `MutualInformation`.

    Raises:
        ValueError: If the posterior has no density, or a block is too small.

    References:
        He et al. 2019, Lagging Inference Networks (batch), who take the first
        expectation in closed form, here sampled; Li et al. 2019 (all sentences);
        Wu et al. 2020, On the Encoder-Decoder Incompatibility (leave one out).
    """
    if not posterior.has_density:
        raise ValueError(
            "`posterior` must have a density, which is compared between sentences. "
            "Use a latent such as `Gaussian`. Received: "
            f"posterior={type(posterior).__name__}"
        )
    num_sentences = np.shape(z)[1]
    if block_size is None or block_size > num_sentences:
        block_size = num_sentences
    smallest = 2 if leave_one_out else 1
    if block_size < smallest:
        raise ValueError(
            f"`block_size` and the number of sentences must be at least {smallest}. "
            f"Received: block_size={block_size}, sentences={num_sentences}"
        )
    params = {name: tf.convert_to_tensor(value) for name, value in params.items()}
    z = tf.convert_to_tensor(z, tf.float32)
    density = _cross_density(posterior, params)
    log_own = np.full(z.shape[:2], np.nan)
    log_marginal = np.full(z.shape[:2], np.nan)
    for start in range(0, num_sentences, block_size):
        stop = min(start + block_size, num_sentences)
        if stop - start >= smallest:
            log_own[:, start:stop], log_marginal[:, start:stop] = _log_densities(
                density, z, start, stop, leave_one_out
            )
    value = np.nanmean(log_own - log_marginal)
    cap = math.inf if leave_one_out else math.log(block_size)
    return MutualInformation(float(value), cap, block_size, log_own, log_marginal)


def _log_densities(density, z, start, stop, leave_one_out):
    """Compares the codes of a block with its posteriors.

    Args:
        density: Function from `_cross_density`.
        z: Float32 tensor `[S, N, Z]`.
        start: Int, the block's first sentence.
        stop: Int, the sentence after its last.
        leave_one_out: Whether `j = i` is left out of the mean.

    Returns:
        Tuple of `log q(z_i|x_i)`, by the arithmetic of the others so that no estimate
        exceeds its cap, and `log(mean over j of q(z_i|x_j))`, float64
        `[S, stop - start]`.
    """
    num_samples, _, latent_dim = z.shape
    largest = max(_MAX_FLOATS // latent_dim, 1)
    num_columns = min(stop - start, max(math.isqrt(4 * largest), 1))
    num_rows = max(largest // (num_columns * num_samples), 1)
    nothing = tf.constant(-np.inf, tf.float64)
    log_own, log_sums = [], []
    for row in range(start, stop, num_rows):
        rows = z[:, row : min(row + num_rows, stop)]
        sentences = tf.range(row, row + rows.shape[1])[None, :, None]
        own = total = tf.fill(rows.shape[:2], nothing)
        for column in range(start, stop, num_columns):
            end = min(column + num_columns, stop)
            logs = tf.reshape(
                density(tf.reshape(rows, [-1, latent_dim]), column, end),
                [num_samples, rows.shape[1], end - column],
            )
            same = tf.equal(sentences, tf.range(column, end))
            own = tf.maximum(own, tf.reduce_max(tf.where(same, logs, nothing), -1))
            if leave_one_out:
                logs = tf.where(same, nothing, logs)
            part = tf.reduce_logsumexp(logs, axis=-1)
            total = tf.reduce_logsumexp(tf.stack([total, part]), axis=0)
        log_own.append(own)
        log_sums.append(total)
    log_count = math.log(stop - start - int(leave_one_out))
    return tf.concat(log_own, 1).numpy(), tf.concat(log_sums, 1).numpy() - log_count


def _cross_density(posterior, params):
    """Creates a function of codes and a range of posteriors.

    It maps codes, float32 `[R, Z]`, and the range's ends to `log q(z_i|x_j)`, float64
    `[R, end - start]`.
    """
    example = posterior.distribution({name: v[:1] for name, v in params.items()})
    if isinstance(example, tfd.Independent):
        if isinstance(example.distribution, tfd.Normal):
            normal = posterior.distribution(params).distribution
            return _diagonal_gaussian(normal.mean(), normal.stddev())
    if isinstance(example, FlowedNormal):
        if all(flow.weight.shape.rank == 1 for flow in example.bijectors):
            return _shared_flows(posterior.distribution(params))

    def density(z, start, end):
        part = {name: value[start:end] for name, value in params.items()}
        # Of full shape, so that a triangular solve takes the codes as columns
        # and does not repeat its matrix for each.
        shape = [z.shape[0], end - start, z.shape[1]]
        codes = tf.broadcast_to(z[:, None, :], shape)
        return tf.cast(posterior.distribution(part).log_prob(codes), tf.float64)

    return density


def _diagonal_gaussian(loc, scale):
    """Creates the function of `_cross_density` as one matrix product.

    It expands the square, whose terms cancel, hence the double precision.
    """
    loc, scale = tf.cast(loc, tf.float64), tf.cast(scale, tf.float64)
    precision = 1.0 / scale**2
    weights = tf.concat([-0.5 * precision, loc * precision], axis=-1)
    constants = tf.reduce_sum(
        -0.5 * loc**2 * precision - tf.math.log(scale) - 0.5 * math.log(2 * math.pi),
        axis=-1,
    )

    def density(z, start, end):
        z = tf.cast(z, tf.float64)
        features = tf.concat([z**2, z], axis=-1)
        products = tf.matmul(features, weights[start:end], transpose_b=True)
        return products + constants[start:end]

    return density


def _shared_flows(distribution):
    """Creates it where all sentences share one flow, inverted once for each code."""
    normal = distribution.base.distribution
    of_base = _diagonal_gaussian(normal.mean(), normal.stddev())

    def density(z, start, end):
        z, log_determinant = distribution.invert(z)
        return of_base(z, start, end) - tf.cast(log_determinant, tf.float64)[:, None]

    return density
