"""Posteriors as evaluation reads them: their samples, densities, means and scales."""

import math
import typing

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.checks import require
from tfvae.distributions.sampling import sample
from tfvae.latents import Implicit
from tfvae.models import inference
from tfvae.objectives import Term
from tfvae.objectives.kl import kl_divergence, kl_method
from tfvae.seeds import Stream, as_seed, fold_in, normal

tfd = tfp.distributions

# Samples per sentence behind a critic's value and a mean that is not known otherwise,
# as many as Fang et al. 2019 take.
_NUM_DRAWS = 128
# Samples of a prior behind its mean and scale where these are not known.
_NUM_PRIOR_DRAWS = 1024
# Times the codes of the prior that a sentence is scored with, whose likelihood is a
# plain mean over them.
_PRIOR_SAMPLES = 10
# Of variances, in squared units of the code: samples may agree in a dimension.
_LEAST_VARIANCE = 1e-10


class PosteriorSamples(typing.NamedTuple):
    """Codes of a batch and what is known of them without a decoder.

    Attributes:
        encoded: `Encoded`, with the posterior's parameters.
        z: Float32 `[D, B, Z]`, codes of the posterior.
        log_q: Float32 `[D, B]`, their log-density under the posterior, or `None`.
        log_prior: Float32 `[D, B]`, and under the prior, or `None` without both.
        mean: Float32 `[B, Z]`, the posterior's mean; relative to the prior's mean and
            scale where the prior reads a context.
        mean_noise: Float32 `[B, Z]`, the variance of `mean` where it is one of
            samples, else `None`.
        kl: Float32 `[B]`, `KL(q(z|x) || p(z))` in nats, or `None` without densities.
        proposed: Float32 `[N, B, Z]`, codes to decode for `nll` where they are not the
            first `N` of `z`, else `None`.
        log_ratio: Float32 `[N, B]`, `log p(z) - log r(z|x)` of the codes for `nll`,
            `r` what they were sampled from, or `None` without `nll`.
    """

    encoded: inference.Encoded
    z: typing.Any
    log_q: typing.Any
    log_prior: typing.Any
    mean: typing.Any
    mean_noise: typing.Any
    kl: typing.Any
    proposed: typing.Any
    log_ratio: typing.Any


class PosteriorSampler:
    """Samples codes of a batch of sentences and computes what needs no decoder.

    Args:
        model: `VAE`.
        num_samples: Positive int `N`, codes per sentence that are to be decoded.
        num_draws: Int `D` of codes to sample at least, or `None` for `N`. A mean that
            is not known otherwise, or a critic whose value is reported, takes 128.
        proposal: `FittedProposal`, or `None` for the posterior itself where its
            density is known and a default one elsewhere.

    Attributes:
        posterior: The posterior as it is scored, a `Latent` or an `ExactGaussian`.
        has_density: Whether posterior and prior have densities that are known.
        nll_method: `"importance_weighted"`, `"fitted_proposal"`, `"context_samples"`
            where codes are of the context alone, `"prior_samples"` where the prior has
            no density, or `None` where the likelihood is not defined.
        proposal: `FittedProposal`, or `None`.
        num_samples: Int `N`, 1 for a deterministic posterior.
        num_draws: Int `D`.
        num_prior_samples: Int, ten times `num_samples` as given, codes of the prior
            that `nll` is a plain mean over, or `None` with another method.
        kl_method: `"closed_form"` or `"monte_carlo"` after the first batch, `None`
            without densities.

    Raises:
        ValueError: If there is a proposal that the posterior or prior cannot use.
    """

    def __init__(self, model, num_samples, num_draws=None, proposal=None):
        params = model.posterior(tf.zeros([1, model.widths["code_dim"]]))
        self.model = model
        self.posterior = with_density(model.posterior, params)
        random = model.posterior.is_random
        self.has_density = self.posterior.has_density and model.prior.has_density
        can_fit = (
            random and model.prior.has_density and self.posterior.support == "real"
        )
        if proposal is not None and not can_fit:
            raise ValueError(
                "`proposal` needs a random posterior on the real space and a prior "
                "with a density. Use None. Received: posterior="
                f"{type(model.posterior).__name__}, prior={type(model.prior).__name__}"
            )
        self.proposal = self.nll_method = self.num_prior_samples = None
        if model.encoder_reads == "context":
            self.nll_method = "context_samples"
        elif self.has_density and proposal is None:
            self.nll_method = "importance_weighted"
        elif can_fit:
            self.nll_method = "fitted_proposal"
            self.proposal = proposal or FittedProposal()
        elif not model.prior.has_density:
            self.nll_method = "prior_samples"
            self.num_prior_samples = _PRIOR_SAMPLES * num_samples
        self.num_samples = num_samples if random else 1
        self.num_draws = num_draws or self.num_samples
        distribution = self.posterior.distribution(params)
        if random and (reports_critic(model) or exact_mean(distribution) is None):
            self.num_draws = max(self.num_draws, _NUM_DRAWS)
        self.kl_method = None

    def __call__(self, inputs, seed):
        """Encodes a batch and samples its codes.

        Args:
            inputs: Dict of tensors, `"tokens"` int `[B, T]` among them.
            seed: Int tensor `[2]`.

        Returns:
            A `PosteriorSamples`.
        """
        encoded = inference.encode(self.model, inputs, seed)
        params = encoded.params
        seed_of_codes = fold_in(seed, Stream.SCORING)
        z, log_q = self.posterior.sample(params, self.num_draws, seed_of_codes)
        record = self.record(encoded, z, log_q, None, seed)
        mean, mean_noise = exact_mean(record.posterior), None
        if mean is None:
            mean, variance = tf.nn.moments(z, axes=[0])
            # The unbiased variance over the number of samples.
            mean_noise = variance / (self.num_draws - 1)
        if self.model.prior_reads_context:
            mean, mean_noise = self._standardized(mean, mean_noise, record, encoded)
        kl = log_prior = log_ratio = proposed = None
        if self.has_density:
            # Known when this is traced, before the first batch is scored.
            self.kl_method = kl_method(record.posterior, record.prior)
            log_prior = record.prior.log_prob(z)
            decoded = slice(self.num_samples)
            kl = kl_divergence(record._replace(z=z[decoded], log_q=log_q[decoded]))
            log_ratio = (log_prior - log_q)[decoded]
        if self.nll_method == "context_samples":
            # The sentence was not read: its likelihood is a plain mean over the codes.
            log_ratio = tf.zeros([self.num_samples, tf.shape(z)[1]])
        if self.nll_method == "prior_samples":
            proposed, _ = self.model.prior.sample(
                encoded.prior_params,
                self.num_prior_samples,
                fold_in(seed, Stream.PROPOSAL),
            )
            log_ratio = tf.zeros([self.num_prior_samples, tf.shape(z)[1]])
        if self.proposal is not None:
            proposed, log_ratio = self.proposal.sample(
                self.posterior,
                params,
                record.prior,
                self.num_samples,
                fold_in(seed, Stream.PROPOSAL),
            )
        return PosteriorSamples(
            encoded, z, log_q, log_prior, mean, mean_noise, kl, proposed, log_ratio
        )

    def _standardized(self, mean, noise, record, encoded):
        """Returns means relative to the priors of their contexts, and their noise.

        The scale of codes means nothing where the prior is learned.
        """
        prior_mean, prior_scale, prior_noise = moments(
            self.model.prior, record.prior, encoded.prior_params
        )
        mean = (mean - prior_mean) / prior_scale
        if noise is not None or prior_noise:
            noise = (0.0 if noise is None else noise / prior_scale**2) + prior_noise
            noise = tf.broadcast_to(noise, tf.shape(mean))
        return mean, noise

    def record(self, encoded, z, log_q, log_likelihood, seed):
        """Assembles the record of scored codes, whose posterior is the scored one."""
        record = inference.record(
            self.model, encoded, z, log_q, None, log_likelihood, seed
        )
        return record._replace(posterior=self.posterior.distribution(encoded.params))


def reports_critic(model):
    """Returns whether a term reports its critic's value as a metric."""
    return any(
        term.has_critic and type(term).reported is not Term.reported
        for term in model.objective
    )


class ExactGaussian:
    """An `Implicit` latent with a linear network, read as the Gaussian that it is.

    Samples are the latent's own; what is added is their density.

    Args:
        latent: `Implicit` whose `gaussian` is defined.
    """

    has_density = True

    def __init__(self, latent):
        self.latent = latent
        self.support = latent.support
        self.latent_dim = latent.latent_dim

    def distribution(self, params):
        """Creates the `tfd.MultivariateNormalTriL`, batch `[B]` and event `[Z]`."""
        return self.latent.gaussian(params)

    def sample(self, params, num_samples, seed):
        """Samples codes `[S, B, Z]` and their log-density `[S, B]`; see `Latent`."""
        z, _ = self.latent.sample(params, num_samples, seed)
        return z, self.distribution(params).log_prob(z)


def with_density(posterior, params):
    """Returns a posterior's density where it is known though not offered.

    Args:
        posterior: `Latent`.
        params: Dict of its parameters, of any number of rows.

    Returns:
        An `ExactGaussian` of an `Implicit` latent with a linear network and noise of
        at least its dimensions, else the posterior itself.
    """
    if not isinstance(posterior, Implicit):
        return posterior
    try:
        posterior.gaussian(params)
    except ValueError:
        return posterior
    return ExactGaussian(posterior)


def is_diagonal_gaussian(distribution):
    """Returns whether a distribution is a Gaussian of independent dimensions."""
    return isinstance(distribution, tfd.MultivariateNormalDiag) or (
        isinstance(distribution, tfd.Independent)
        and isinstance(distribution.distribution, tfd.Normal)
    )


def exact_mean(distribution):
    """Returns a distribution's mean where it is known.

    Args:
        distribution: TFP distribution, batch `[B]` and event `[Z]`.

    Returns:
        Float32 tensor `[B, Z]`, or `None`.
    """
    try:
        return distribution.mean()
    except NotImplementedError:
        return None


def moments(latent, distribution, params):
    """Computes the means and scales of a prior that differs from row to row.

    Args:
        latent: `Latent`, the prior.
        distribution: TFP distribution of its parameters, batch `[B]` and event `[Z]`.
        params: Dict of its parameters `[B, ...]`.

    Returns:
        Tuple of the mean and the standard deviation, float32 `[B, Z]`, and the variance
        of the mean in squared units of the latter: `0.0` where they are known, else one
        over the number of samples.
    """
    try:
        return distribution.mean(), distribution.stddev(), 0.0
    except NotImplementedError:
        draws, _ = latent.sample(params, _NUM_PRIOR_DRAWS, as_seed(0))
        mean, variance = tf.nn.moments(draws, axes=[0])
        variance = tf.maximum(variance, _LEAST_VARIANCE)
        return mean, tf.sqrt(variance), 1.0 / _NUM_PRIOR_DRAWS


def posterior_scales(posterior, params, *, num_samples=100, seed=0):
    """Computes the standard deviation of each sentence's posterior by dimension.

    It is exact for a Gaussian, 0 for a deterministic latent, and estimated from
    samples for any other: without bias in its square, with a relative standard error
    of about `1 / sqrt(2 * num_samples)` near a Gaussian.

    Args:
        posterior: `Latent`.
        params: Dict of its parameters, arrays `[N, ...]`.
        num_samples: Int of at least 2, samples per sentence. Defaults to `100`.
        seed: Int, of the samples. Defaults to `0`.

    Returns:
        Float64 array `[N, Z]`, in units of the code.

    Raises:
        ValueError: If `num_samples` is below 2.
    """
    require("num_samples", num_samples, num_samples >= 2, "at least 2")
    params = {name: tf.convert_to_tensor(value) for name, value in params.items()}
    if posterior.has_density:
        distribution = posterior.distribution(params)
        if isinstance(
            distribution, tfd.MultivariateNormalLinearOperator
        ) or is_diagonal_gaussian(distribution):
            return distribution.stddev().numpy().astype(np.float64)
    z = posterior.sample(params, num_samples, as_seed(seed))[0]
    return z.numpy().astype(np.float64).std(axis=0, ddof=1)


class FittedProposal:
    """A mixture of the prior and a Gaussian fitted to samples of the posterior.

    `r(z|x) = a * p(z) + (1 - a) * N(z; loc, covariance)`, one Gaussian per sentence.
    `-log(mean over i of p(z_i) * p(x|z_i) / r(z_i|x))` is in expectation an upper
    bound of `-log p(x)` whatever the fit, since the samples that are fitted are apart
    from the codes `z_i` that are weighted. A bad fit makes it looser. With the prior in
    the mixture no weight exceeds `p(x|z_i) / a`.

    The codes are stratified: of `N` codes `round(a * N)`, at least one and not all,
    come from the prior and the others from the Gaussian, and `a` is that share. This
    is as unbiased as sampling the part for each code, with less variance. A single
    code is from the Gaussian, so that its weight has no bound: where the Gaussian is
    too narrow the weights have a heavy tail, and the estimate from one code, still a
    bound in expectation, may be far off. Take two codes or more.

    Fitting a Gaussian of full covariance to `M` samples of one costs about
    `Z * (Z + 3) / (4 * M)` nats of divergence from it.

    Args:
        num_draws: Int `M` of at least 2, samples fitted for each sentence. Defaults to
            `512`, 0.55 nats by the formula above with 32 dimensions.
        prior_share: Float in `[0, 1)`, the share `a`. Defaults to `0.1`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Hesterberg 1995, Weighted Average Importance Sampling and Defensive Mixture
        Distributions; Veach and Guibas 1995, Optimally Combining Sampling Techniques,
        for stratified codes (the balance heuristic).
    """

    def __init__(self, num_draws=512, prior_share=0.1):
        if num_draws < 2:
            raise ValueError(
                "`num_draws` must be at least 2, since a covariance is fitted. "
                f"Received: num_draws={num_draws}"
            )
        require("prior_share", prior_share, 0.0 <= prior_share < 1.0, "in [0, 1)")
        self.num_draws = num_draws
        self.prior_share = prior_share

    def num_from_prior(self, num_samples):
        """Returns how many of `num_samples` codes are sampled from the prior."""
        if not self.prior_share or num_samples == 1:
            return 0
        count = max(round(self.prior_share * num_samples), 1)
        return min(count, num_samples - 1)

    def sample(self, posterior, params, prior, num_samples, seed):
        """Samples codes for importance sampling.

        Args:
            posterior: `Latent` that can be sampled.
            params: Dict of its parameters `[B, ...]`.
            prior: TFP distribution with a density, batch `[B]` and event `[Z]`.
            num_samples: Positive int `N`.
            seed: Int tensor `[2]`.

        Returns:
            Tuple of codes, float32 `[N, B, Z]`, and `log p(z) - log r(z|x)`, float32
            `[N, B]` in nats.
        """
        draws, _ = posterior.sample(params, self.num_draws, fold_in(seed, 0))
        static = [self.num_draws, None, posterior.latent_dim]
        gaussian = fit_gaussian(tf.ensure_shape(draws, static))
        num_prior = self.num_from_prior(num_samples)
        shape = tf.concat([[num_samples - num_prior], tf.shape(draws)[1:]], 0)
        noise = normal(shape, fold_in(seed, 1))
        z = gaussian.loc + tf.linalg.matvec(gaussian.scale_tril, noise)
        if not num_prior:
            return z, prior.log_prob(z) - gaussian.log_prob(z)
        z = tf.concat([sample(prior, num_prior, fold_in(seed, 2)), z], axis=0)
        log_prior = prior.log_prob(z)
        share = num_prior / num_samples
        of_prior = log_prior + math.log(share)
        of_gaussian = gaussian.log_prob(z) + math.log1p(-share)
        log_proposal = tf.reduce_logsumexp(tf.stack([of_prior, of_gaussian]), axis=0)
        return z, log_prior - log_proposal


def fit_gaussian(z):
    """Fits a Gaussian of full covariance to samples, for each sentence.

    The correlations are shrunk towards none by the share `s` that would be best for
    samples of a Gaussian, so that the covariance is well conditioned also of few
    samples or where they fill fewer than all dimensions; the variances are their own.

    Args:
        z: Float32 tensor `[M, B, Z]` of at least two samples, `M` and `Z` known.

    Returns:
        `tfd.MultivariateNormalTriL`, batch `[B]` and event `[Z]`.

    References:
        Chen et al. 2010, Shrinkage Algorithms for MMSE Covariance Estimation, equation
        23 (the oracle approximating shrinkage), here of the correlations.
    """
    num_samples, _, latent_dim = z.shape
    loc = tf.reduce_mean(z, axis=0)
    centred = z - loc
    variance = tf.reduce_sum(centred**2, axis=0) / (num_samples - 1)
    deviation = tf.sqrt(tf.maximum(variance, _LEAST_VARIANCE))
    scores = centred / deviation
    correlation = tf.einsum("mbi,mbj->bij", scores, scores) / (num_samples - 1)
    trace = float(latent_dim)
    of_square = tf.reduce_sum(correlation**2, axis=[-2, -1])
    above = (1.0 - 2.0 / latent_dim) * of_square + trace**2
    below = (num_samples - 2.0 / latent_dim) * (of_square - trace)
    share = tf.where(above < below, above / tf.maximum(below, 1e-6), 1.0)
    share = tf.maximum(share, 1e-4)[:, None, None]
    identity = tf.eye(latent_dim)
    factor = tf.linalg.cholesky((1.0 - share) * correlation + share * identity)
    return tfd.MultivariateNormalTriL(loc, deviation[..., None] * factor)
