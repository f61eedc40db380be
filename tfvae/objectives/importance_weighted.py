"""The importance-weighted bound, of several samples together."""

import math

import keras
import tensorflow as tf

from tfvae.objectives.term import Term


@keras.saving.register_keras_serializable("tfvae")
class ImportanceWeighted(Term):
    """The importance-weighted upper bound of the negative log-likelihood.

    Computes `-log(mean over samples of exp(log p(x|z) + log p(z) - log q(z|x)))`,
    which takes the place of `Reconstruction` and `KL` together. With the model's
    `num_samples` at 1 it is a sample of `reconstruction + kl`; with more it is lower in
    expectation and goes to `-log p(x)`. `nelbo` and `kl` are logged beside it as for
    any other objective, as means over the samples.

    The bound has no KL of its own that could be annealed. With more samples the signal
    that reaches the posterior weakens against its noise, so that a better likelihood
    may go with a worse encoder.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.

    References:
        Burda et al. 2016, Importance Weighted Autoencoders, section 3, with the
        gradient of the reparametrised samples as there, not the doubly reparametrised
        one of later work; Rainforth et al. 2018, Tighter Variational Bounds are Not
        Necessarily Better.
    """

    requires_density = True
    trains_prior = True

    def __init__(self, weight=1.0, *, name="importance_weighted", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        log_weights = forward.log_likelihood + forward.prior.log_prob(forward.z)
        log_weights -= forward.log_q
        num_samples = log_weights.shape[0]
        return math.log(num_samples) - tf.reduce_logsumexp(log_weights, axis=0)
