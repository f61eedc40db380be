"""A density to draw codes from where the posterior has none."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.draws import draw
from tfvae.seeds import fold_in, normal

tfd = tfp.distributions

# Of variances, in squared units of the code: draws may agree in a dimension.
_LEAST_VARIANCE = 1e-10


class FittedProposal:
    """A mixture of the prior and a Gaussian fitted to draws of the posterior.

    `r(z|x) = a * p(z) + (1 - a) * N(z; loc, covariance)`, one Gaussian a sentence.
    `-log(mean over i of p(z_i) * p(x|z_i) / r(z_i|x))` is in expectation an upper
    bound of `-log p(x)` whatever the fit, since the draws that are fitted are apart
    from the codes `z_i` that are weighted. A bad fit makes it looser. With the prior in
    the mixture no weight exceeds `p(x|z_i) / a`.

    The codes are stratified: of `N` codes `round(a * N)`, at least one and not all, are
    drawn from the prior and the others from the Gaussian, and `a` is that share. This
    is as unbiased as to draw the part for each code, with less variance. A single code
    is from the Gaussian.

    Fitting a Gaussian of full covariance to `M` draws of one costs about
    `Z * (Z + 3) / (4 * M)` nats of divergence from it.

    Args:
        num_draws: Int `M` of at least 2, draws fitted for each sentence. Defaults to
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
        if not 0.0 <= prior_share < 1.0:
            raise ValueError(
                f"`prior_share` must be in [0, 1). Received: prior_share={prior_share}"
            )
        self.num_draws = num_draws
        self.prior_share = prior_share

    def num_from_prior(self, num_samples):
        """Says how many of `num_samples` codes are drawn from the prior."""
        if not self.prior_share or num_samples == 1:
            return 0
        count = max(round(self.prior_share * num_samples), 1)
        return min(count, num_samples - 1)

    def sample(self, posterior, params, prior, num_samples, seed):
        """Draws codes for importance sampling.

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
        z = tf.concat([draw(prior, num_prior, fold_in(seed, 2)), z], axis=0)
        log_prior = prior.log_prob(z)
        share = num_prior / num_samples
        log_proposal = tf.reduce_logsumexp(
            tf.stack(
                [
                    log_prior + math.log(share),
                    gaussian.log_prob(z) + math.log1p(-share),
                ]
            ),
            axis=0,
        )
        return z, log_prior - log_proposal


def fit_gaussian(z):
    """Fits a Gaussian of full covariance to draws, for each sentence.

    The correlations are shrunk towards none by the share `s` that would be best for
    Gaussian draws, so that the covariance is well conditioned also of few draws or of
    draws that fill fewer than all dimensions; the variances are the draws' own.

    Args:
        z: Float32 tensor `[M, B, Z]` of at least two draws, `M` and `Z` known.

    Returns:
        `tfd.MultivariateNormalTriL`, batch `[B]` and event `[Z]`.

    References:
        Chen et al. 2010, Shrinkage Algorithms for MMSE Covariance Estimation, equation
        23 (the oracle approximating shrinkage), here of the correlations.
    """
    num_draws, _, latent_dim = z.shape
    loc = tf.reduce_mean(z, axis=0)
    centred = z - loc
    variance = tf.reduce_sum(centred**2, axis=0) / (num_draws - 1)
    deviation = tf.sqrt(tf.maximum(variance, _LEAST_VARIANCE))
    scores = centred / deviation
    correlation = tf.einsum("mbi,mbj->bij", scores, scores) / (num_draws - 1)
    trace = float(latent_dim)
    of_square = tf.reduce_sum(correlation**2, axis=[-2, -1])
    above = (1.0 - 2.0 / latent_dim) * of_square + trace**2
    below = (num_draws - 2.0 / latent_dim) * (of_square - trace)
    share = tf.where(above < below, above / tf.maximum(below, 1e-6), 1.0)
    share = tf.maximum(share, 1e-4)[:, None, None]
    identity = tf.eye(latent_dim)
    factor = tf.linalg.cholesky((1.0 - share) * correlation + share * identity)
    return tfd.MultivariateNormalTriL(loc, deviation[..., None] * factor)
