"""The copula likelihood, a reward for posteriors whose dimensions could depend."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.gaussian_copula import (
    rank_one_expected_log_copula,
    rank_one_log_copula,
    rank_one_scale_tril,
)
from tfvae.latents.gaussian import Gaussian
from tfvae.latents.gaussian_copula import CopulaHead
from tfvae.objectives.kl import example_distributions, kl_divergence
from tfvae.objectives.term import Term
from tfvae.seeds import Stream, fold_in, normal

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tfvae")
class CopulaLikelihood(Term):
    """The Copula-VAE's term, `-(log c(q) + sum_i log q(z_i|x))`.

    `c` is the Gaussian copula density of `S = diag(diagonal) + factor factor'`, a head
    of the term's own on the encoder's code. Both parts are logged, under the term's
    name and `_copula` or `_marginals`, as costs.

    `q ~ N(0, S)` is drawn apart from the code `z`, so the term corrects no density and
    the objective is no bound: `log c` has mean `-log det(correlations of S) / 2`,
    which nothing opposes, 15.49 nats at most with 32 dimensions and a floor of 0.5.
    The marginals' part takes a share `weight` of the entropy away, so that the KL
    stays positive without information in the code; a weight of 1 or more has no
    optimum. Compare models by `nll` and mutual information.

    Args:
        weight: Float or `Schedule`, the paper's lambda. Defaults to `1.0`; the paper
            has 0.4 and 0.5.
        floor: Positive float, the least of the diagonal; see `CopulaHead`. Defaults to
            `0.5`.
        activation: `"softplus"` or `"relu"` (paper), of the diagonal. Defaults to
            `"softplus"`.
        per_dimension: Whether the diagonal has one number a dimension (released code)
            instead of one for all (paper). Defaults to `False`.
        sampled: Whether `q` and the code are drawn, as published, in place of both
            parts' expectations, which have the same mean and no noise. Defaults to
            `False`.
        batch_normalization: Whether the factor is batch normalised, as in the released
            code. Defaults to `False`.
        initializer: Keras initializer of the head, or `None` for PyTorch's.

    Raises:
        ValueError: If an option is out of range (see `CopulaHead`) or, in a model, the
            posterior is no diagonal `Gaussian` or the prior learns.

    References:
        Wang and Wang 2019, Neural Gaussian Copula for Variational Autoencoder,
        section 4.2 and algorithm 1, which adds `weight * (log c + sum log q)` to the
        bound.
    """

    can_be_controlled = False
    _has_kl = True

    requires_latent = True
    needs_fixed_prior = True

    def __init__(
        self,
        weight=1.0,
        floor=0.5,
        activation="softplus",
        per_dimension=False,
        sampled=False,
        batch_normalization=False,
        initializer=None,
        *,
        name="copula_likelihood",
        dtype=None,
    ):
        super().__init__(weight, name=name, dtype=dtype)
        self.floor = floor
        self.activation = activation
        self.per_dimension = per_dimension
        self.sampled = sampled
        self.batch_normalization = batch_normalization
        self.initializer = keras.initializers.get(initializer)
        # Refused here rather than in a model.
        self._make_head(1)

    def check(self, model):
        """Refuses a posterior that is not diagonal, and a prior that learns."""
        super().check(model)
        learns = any(term.trains_prior for term in model.objective)
        if learns and model.prior.trainable_variables:
            raise ValueError(
                "`CopulaLikelihood` rewards small scales, which nothing opposes where "
                "the prior can follow them. Use `prior=StandardNormal`, given a "
                "condition with `context_to` that leaves the prior out "
                "(learned_prior=false). "
                f"Received: prior={type(model.prior).__name__}"
            )
        posterior = example_distributions(model)[0]
        is_independent = isinstance(posterior, tfd.Independent)
        if not is_independent or not isinstance(posterior.distribution, tfd.Normal):
            received = type(model.posterior).__name__
            if isinstance(model.posterior, Gaussian):
                received += f"(covariance={model.posterior.covariance!r})"
            raise ValueError(
                "`CopulaLikelihood` needs a posterior with independent normal "
                "dimensions. Use `Gaussian(covariance='diagonal')`, or drop the term. "
                f"Received: posterior={received}"
            )

    def bind(self, model):
        """Checks that the term fits a model and creates the head; see `Term`."""
        super().bind(model)
        self._has_kl = model.has_density

    def build(self, *, code_dim, latent_dim, **widths):
        """Creates the head on the encoder's codes."""
        self.head = self._make_head(latent_dim)
        self.head.build(code_dim=code_dim)
        super().build()

    def cost(self, forward):
        """Computes the sum of both parts, `[B]` in nats."""
        return tf.add_n(list(self.costs(forward).values()))

    def costs(self, forward):
        """Computes `-log c` and `-sum_i log q(z_i|x)`, each `[B]` in nats."""
        if self.sampled:
            marginals = -tf.reduce_mean(forward.log_q, axis=0)
        else:
            marginals = forward.posterior.entropy()
        return {
            f"{self.name}_copula": -self.log_copula(forward),
            f"{self.name}_marginals": marginals,
        }

    def log_copula(self, forward):
        """Computes `log c` for each sentence.

        Papers subtract it from the negative log-likelihood; the difference is no bound.

        Args:
            forward: A `Forward` with `code`, `z` and `seed`.

        Returns:
            Float32 tensor `[B]`, in nats: its expectation, or if `sampled` the mean
            over as many draws as there are codes.
        """
        params = self.head(forward.code, training=forward.training)
        diagonal, factor = self.head.covariance(params)
        if not self.sampled:
            return rank_one_expected_log_copula(diagonal, factor)
        noise = normal(tf.shape(forward.z), fold_in(forward.seed, Stream.COPULA))
        scores = tf.linalg.matvec(rank_one_scale_tril(diagonal, factor), noise)
        return tf.reduce_mean(rank_one_log_copula(diagonal, factor, scores), axis=0)

    def reported(self, forward):
        """Computes `nelbo_minus_log_copula`, `[B]` in nats: the paper's, no bound.

        It is `reconstruction + kl - log c`; nothing where the prior has no density.
        """
        if not self._has_kl:
            return {}
        reconstruction = -tf.reduce_mean(forward.log_likelihood, axis=0)
        value = reconstruction + kl_divergence(forward) - self.log_copula(forward)
        return {"nelbo_minus_log_copula": value}

    def _make_head(self, latent_dim):
        return CopulaHead(
            latent_dim,
            self.floor,
            self.activation,
            self.per_dimension,
            self.batch_normalization,
            self.initializer,
            name="head",
            dtype=self.dtype_policy,
        )
