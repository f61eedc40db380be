"""The shape of the latent space: posterior scales, the aggregated posterior, axes."""

import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.kernels import inverse_multiquadratic, mmd
from tfvae.kernels.paths import interpolation_path as interpolation_path
from tfvae.kernels.paths import slerp as slerp
from tfvae.kernels.paths import vector_arithmetic as vector_arithmetic
from tfvae.seeds import as_seed

tfd = tfp.distributions

# The sizes of Coupled-VAE and of Tolstikhin et al.
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class ScaleSummary(typing.NamedTuple):
    """How wide posteriors are.

    Attributes:
        mean: Float64 `[Z]`, the mean over sentences of each dimension's scale.
        counts: Int64 `[num_bins]`, sentences times dimensions in each bin.
        edges: Float64 `[num_bins + 1]`, the bins' edges.
        share_below: Float, the share of scales below the threshold.
    """

    mean: np.ndarray
    counts: np.ndarray
    edges: np.ndarray
    share_below: float


def posterior_scales(posterior, params, *, num_samples=100, seed=0):
    """Gives the standard deviation of each sentence's posterior in each dimension.

    It is exact for a Gaussian, 0 for a deterministic latent, and estimated from
    samples for any other: without bias in its square, with a relative standard error
    of about `1 / sqrt(2 * num_samples)` near a Gaussian.

    Args:
        posterior: `Latent`.
        params: Dict of its parameters, arrays `[N, ...]`.
        num_samples: Int of at least 2, samples a sentence. Defaults to `100`.
        seed: Int, of the samples. Defaults to `0`.

    Returns:
        Float64 array `[N, Z]`, in units of the code.

    Raises:
        ValueError: If `num_samples` is below 2.
    """
    if num_samples < 2:
        raise ValueError(
            f"`num_samples` must be at least 2. Received: num_samples={num_samples}"
        )
    params = {name: tf.convert_to_tensor(value) for name, value in params.items()}
    if posterior.has_density:
        distribution = posterior.distribution(params)
        if isinstance(distribution, tfd.MultivariateNormalLinearOperator) or (
            isinstance(distribution, tfd.Independent)
            and isinstance(distribution.distribution, tfd.Normal)
        ):
            return distribution.stddev().numpy().astype(np.float64)
    z = posterior.sample(params, num_samples, as_seed(seed))[0]
    return z.numpy().astype(np.float64).std(axis=0, ddof=1)


def concentrations(posterior, params):
    """Gives the concentration of each sentence's von Mises-Fisher posterior.

    Args:
        posterior: `VonMisesFisher`.
        params: Dict of its parameters, arrays `[N, ...]`.

    Returns:
        Float64 array `[N]`; large is narrow.

    Raises:
        ValueError: If the posterior has no concentration.
    """
    params = {name: tf.convert_to_tensor(value) for name, value in params.items()}
    distribution = posterior.distribution(params) if posterior.has_density else None
    if not hasattr(distribution, "concentration"):
        raise ValueError(
            "`posterior` must be a `VonMisesFisher`; other posteriors have scales, see "
            f"`posterior_scales`. Received: {type(posterior).__name__}"
        )
    return np.asarray(distribution.concentration, np.float64)


def summarize_scales(scales, *, threshold=0.1, num_bins=20):
    """Counts scales in equal bins from 0 to the largest.

    A share below the threshold near 1 means that the posteriors have become points:
    sentences are written from codes that samples of the prior never come near. With
    scales of 1 and a mean of 0 the posterior is the standard normal prior.

    Args:
        scales: Float array `[N, Z]` of `posterior_scales`.
        threshold: Positive float, in units of the code. Defaults to `0.1`.
        num_bins: Positive int. Defaults to `20`.

    Returns:
        A `ScaleSummary`.

    Raises:
        ValueError: If there is no scale, or an argument is not positive.

    Example:
    >>> found = summarize_scales([[0.0, 1.0], [0.05, 0.8]], num_bins=2)
    >>> found.counts.tolist(), found.share_below
    ([2, 2], 0.5)

    References:
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, section 3.2, whose
        histogram of the posterior's scales shows that those of a WAE go to 0.
    """
    scales = np.asarray(scales, np.float64)
    if scales.ndim != 2 or scales.size == 0 or threshold <= 0 or num_bins < 1:
        raise ValueError(
            "`scales` must be a matrix that is not empty, `threshold` and `num_bins` "
            f"positive. Received: shape={scales.shape}, threshold={threshold}, "
            f"num_bins={num_bins}"
        )
    top = scales.max() or 1.0
    counts, edges = np.histogram(scales, bins=num_bins, range=(0.0, top))
    share_below = float((scales < threshold).mean())
    return ScaleSummary(scales.mean(axis=0), counts, edges, share_below)


def moment_kl(codes):
    """Estimates `KL(q(z) || N(0, I))` by the Gaussian of the codes' moments.

    Computes `0.5 * (trace(C) + m . m - Z - log det C)` with the mean `m` and the
    unbiased covariance `C` of the codes. Of all distributions of these moments the
    Gaussian is the nearest, so apart from the noise in the moments, of about
    `Z * (Z + 3) / (4 * N)` nats, this is a lower bound.

    Args:
        codes: Float array `[N, Z]`, `N > Z`, drawn from the aggregated posterior.

    Returns:
        Float, in nats; `inf` where the codes lie in a subspace.

    Raises:
        ValueError: If there are too few codes.

    Example:
    >>> round(moment_kl([[1.0], [3.0]]), 4)
    2.1534
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 2 or len(codes) <= codes.shape[1]:
        raise ValueError(
            "`codes` must be a matrix of more codes than dimensions, or their "
            f"covariance is singular. Received: shape={codes.shape}"
        )
    mean = codes.mean(axis=0)
    covariance = np.atleast_2d(np.cov(codes, rowvar=False))
    sign, log_det = np.linalg.slogdet(covariance)
    if sign <= 0:
        return float("inf")
    return float(0.5 * (np.trace(covariance) + mean @ mean - len(mean) - log_det))


def aggregated_mmd(codes, prior_codes, *, max_codes=500, seed=0):
    """Estimates the squared discrepancy of the aggregated posterior and the prior.

    Uses the inverse multiquadratic kernel summed over seven scales from 0.1 to 10.
    The estimate is unbiased, hence slightly negative at times.

    Args:
        codes: Float array `[N, Z]`, one drawn from each sentence's posterior.
        prior_codes: Float array `[M, Z]`, drawn from the prior.
        max_codes: Int of at least 2: of more codes, as many are chosen at random,
            since the cost is the square of their number. Defaults to `500`.
        seed: Int, of the choice. Defaults to `0`.

    Returns:
        Float between about 0 and 14.

    Raises:
        ValueError: If there are fewer than two codes of a kind.

    References:
        Tolstikhin et al. 2018, Wasserstein Auto-Encoders, algorithm 2; the scales are
        those of the Coupled-VAE's released code.
    """
    if min(len(codes), len(prior_codes), max_codes) < 2:
        raise ValueError(
            "`codes`, `prior_codes` and `max_codes` must be at least two. Received: "
            f"{len(codes)}, {len(prior_codes)} and {max_codes}"
        )
    random = np.random.default_rng(seed)

    def chosen(values):
        if len(values) <= max_codes:
            return values
        return np.asarray(values)[random.permutation(len(values))[:max_codes]]

    def kernel(x, y):
        return inverse_multiquadratic(x, y, scales=_SCALES)

    return float(mmd(chosen(codes), chosen(prior_codes), kernel))


class Projection(typing.NamedTuple):
    """Codes seen along their principal axes.

    Attributes:
        coordinates: Float64 `[N, num_axes]`.
        axes: Float64 `[num_axes, Z]`, unit vectors whose largest entry is positive.
        mean: Float64 `[Z]`, what was taken off first.
        explained: Float64 `[num_axes]`, each axis's share of the total variance.
    """

    coordinates: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    explained: np.ndarray


def principal_projection(points, num_axes=2):
    """Projects codes onto the axes along which they vary most.

    Args:
        points: Float array `[N, Z]`.
        num_axes: Positive int, at most `min(N, Z)`. Defaults to `2`.

    Returns:
        A `Projection`.

    Raises:
        ValueError: If there are fewer axes than asked for.

    Example:
    >>> found = principal_projection([[0.0, 0.0], [0.0, 4.0], [1.0, 2.0]], 1)
    >>> found.coordinates[:, 0].tolist(), found.explained.round(3).tolist()
    ([-2.0, 2.0, 0.0], [0.923])
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not 1 <= num_axes <= min(points.shape):
        raise ValueError(
            "`num_axes` must be between 1 and the smaller side of `points`. Received: "
            f"num_axes={num_axes}, shape={points.shape}"
        )
    mean = points.mean(axis=0)
    _, singular, axes = np.linalg.svd(points - mean, full_matrices=False)
    axes = axes[:num_axes]
    largest = np.abs(axes).argmax(axis=1)
    # The decomposition leaves signs open.
    axes *= np.sign(axes[np.arange(num_axes), largest])[:, None]
    variances = singular**2
    explained = variances[:num_axes] / (variances.sum() or 1.0)
    return Projection((points - mean) @ axes.T, axes, mean, explained)
