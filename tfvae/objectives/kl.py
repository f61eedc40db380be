"""The divergence of the posterior from the prior."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.distributions import kullback_leibler

from tfvae.checks import require_one_of
from tfvae.objectives.term import Term

tfd = tfp.distributions


def kl_method(posterior, prior):
    """Returns how `kl_divergence` treats two distributions.

    Args:
        posterior: A TFP distribution.
        prior: A TFP distribution.

    Returns:
        `"closed_form"` where TFP has a registered divergence, else `"monte_carlo"`.
    """
    posterior, prior = _of_one_family(posterior, prior)
    while isinstance(posterior, tfd.Independent) and isinstance(prior, tfd.Independent):
        posterior, prior = posterior.distribution, prior.distribution
    registered = kullback_leibler._registered_kl(type(posterior), type(prior))
    return "monte_carlo" if registered is None else "closed_form"


def kl_divergence(forward):
    """Computes `KL(q(z|x) || p(z))` for each sentence.

    Closed form where one is registered with TFP, else the mean over the record's
    samples of `log q(z|x) - log p(z)`, which may be negative for a single sample.

    Args:
        forward: A `Forward` whose posterior and prior have densities.

    Returns:
        Float32 tensor `[B]`, in nats.
    """
    if kl_method(forward.posterior, forward.prior) == "closed_form":
        return tfd.kl_divergence(*_of_one_family(forward.posterior, forward.prior))
    return tf.reduce_mean(forward.log_q - forward.prior.log_prob(forward.z), axis=0)


def kl_by_dimension(posterior, prior):
    """Computes the divergence of each latent dimension.

    Args:
        posterior: A `tfd.Independent` over `[B, Z]`.
        prior: A `tfd.Independent` over `[B, Z]`.

    Returns:
        Float32 tensor `[B, Z]`, in nats.
    """
    return tfd.kl_divergence(posterior.distribution, prior.distribution)


def kl_to_unit_variance(posterior):
    """Computes `KL(N(loc, covariance) || N(loc, I))`.

    That is `0.5 * (trace(covariance) - Z - log det covariance)`, free of the mean.

    Args:
        posterior: A Gaussian TFP distribution, batch `[B]` and event `[Z]`.

    Returns:
        Float32 tensor `[B]`, in nats.
    """
    trace = tf.reduce_sum(posterior.variance(), -1)
    size = tf.cast(posterior.event_shape[-1], tf.float32)
    # The entropy of a Gaussian is 0.5 * (Z * log(2 pi e) + log det).
    log_determinant = 2.0 * posterior.entropy() - size * 2.8378770664093453
    return 0.5 * (trace - size - log_determinant)


@keras.saving.register_keras_serializable("tfvae")
class KL(Term):
    """The divergence of the posterior from the prior, with free bits.

    `method(model)` tells whether it is exact (`"closed_form"`) or sampled
    (`"monte_carlo"`).

    Free bits by dimension let every dimension move up to its own floor at no cost, so
    nearly all units count as active and the encoder's mutual information is above 0,
    however little the decoder reads. `latent_gain` and `decoder_mi` of
    `tfvae.evaluate` tell what it reads.

    Args:
        weight: Float, `Schedule` or `Control`, beta. Defaults to `1.0`.
        free_bits: Non-negative float, nats (of each dimension, or of all together)
            below which the cost is flat: `max(kl, free_bits)`. The constant is kept
            in the cost, and beta multiplies it too. Defaults to `0.0`.
        free_bits_by: `"dimension"` or `"total"`. Defaults to `"dimension"`.
        free_bits_over: `"sentence"`, the maximum is taken for each sentence, or
            `"batch"`, of the batch's mean. Defaults to `"sentence"`.
        prior_always: Whether a prior that is learned follows the posterior at weight
            1 at every step: from `KL(q || p)` with the posterior's gradient stopped,
            while the posterior learns from the cost with the prior's stopped. Otherwise
            the prior, which occurs in no other term, has no gradient below the floor of
            free bits nor while an annealed weight is 0, and samples of it are not what
            the decoder was trained on. The value that is added to the loss is 0; what
            the prior learns from is logged as `"prior_kl"`. Defaults to `False`.
        name: Str. Defaults to `"kl"`; with free bits `"kl_above_free_bits"`, since
            models log the divergence itself as `kl`.

    Raises:
        ValueError: If an option is unknown, `free_bits` is negative, or, in a model,
            free bits by dimension meet a pair of distributions whose divergence has no
            closed form by dimension, or `prior_always` a prior without weights.

    References:
        Kingma et al. 2016, free bits (by dimension, over the batch); Wu et al. 2020
        use `max(kl_d, 6/32)` by dimension and sentence.
    """

    requires_density = True
    trains_prior = True

    def __init__(
        self,
        weight=1.0,
        free_bits=0.0,
        free_bits_by="dimension",
        free_bits_over="sentence",
        prior_always=False,
        *,
        name=None,
        dtype=None,
    ):
        if name is None:
            name = "kl_above_free_bits" if free_bits else "kl"
        super().__init__(weight, name=name, dtype=dtype)
        require_one_of("free_bits_by", free_bits_by, ("dimension", "total"))
        require_one_of("free_bits_over", free_bits_over, ("sentence", "batch"))
        if free_bits and self.is_controlled:
            raise ValueError(
                "`free_bits` make the cost flat, so that no weight brings it to a "
                "target. Use one of the two. Received: "
                f"free_bits={free_bits}, weight={type(weight).__name__}"
            )
        if free_bits < 0:
            raise ValueError(
                f"`free_bits` must not be negative. Received: free_bits={free_bits}"
            )
        self.free_bits = free_bits
        self.free_bits_by = free_bits_by
        self.free_bits_over = free_bits_over
        self.prior_always = prior_always

    def check(self, model):
        """Refuses latents for which the options are not defined."""
        super().check(model)
        if self.prior_always and not model.prior.trainable_variables:
            raise ValueError(
                "`prior_always` needs a prior that is learned, such as `Gaussian`. "
                "Leave it out. Received: prior_always=True, "
                f"prior={type(model.prior).__name__}"
            )
        if not self.free_bits or self.free_bits_by == "total":
            return
        pair = example_distributions(model)
        independent = all(isinstance(each, tfd.Independent) for each in pair)
        if not independent or kl_method(*pair) != "closed_form":
            raise ValueError(
                "`KL(free_bits_by='dimension')` needs a posterior and a prior with "
                "independent dimensions and a divergence in closed form. Use "
                "`free_bits_by='total'`. Received: "
                f"posterior={type(model.posterior).__name__}, "
                f"prior={type(model.prior).__name__}"
            )

    def method(self, model):
        """Returns `"closed_form"` or `"monte_carlo"` for the latents of a model."""
        return kl_method(*example_distributions(model))

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        by_dimension = self.free_bits and self.free_bits_by == "dimension"
        if by_dimension:
            kl = kl_by_dimension(forward.posterior, forward.prior)
        else:
            kl = kl_divergence(forward)
        if self.prior_always:
            # Without the prior's gradient, and the same value.
            kl -= _without_value(self._of_prior(forward, by_dimension))
        if not self.free_bits:
            return kl
        above = self._above(kl)
        return tf.reduce_sum(above, -1) if by_dimension else above

    def costs(self, forward):
        """Returns the cost, and with `prior_always` what the prior learns from."""
        found = super().costs(forward)
        if self.prior_always:
            found["prior_kl"] = self._of_prior(forward, by_dimension=False)
        return found

    def weighted(self, costs, step):
        """Adds what the prior learns from, of value 0; see `Term.weighted`."""
        total, by_name = super().weighted({self.name: costs[self.name]}, step)
        if self.prior_always:
            total += tf.reduce_mean(_without_value(costs["prior_kl"]))
        return total, by_name

    def _of_prior(self, forward, by_dimension):
        """Computes the divergence with the posterior's gradient stopped."""
        still = forward._replace(
            posterior=_stopped(forward.posterior),
            z=tf.stop_gradient(forward.z),
            log_q=tf.stop_gradient(forward.log_q),
        )
        if by_dimension:
            return kl_by_dimension(still.posterior, still.prior)
        return kl_divergence(still)

    def _above(self, kl):
        """Applies the floor to `[B, ...]`."""
        if self.free_bits_over == "batch":
            mean = tf.reduce_mean(kl, axis=0, keepdims=True)
            kl = tf.broadcast_to(mean, tf.shape(kl))
        return tf.maximum(kl, self.free_bits)


@keras.saving.register_keras_serializable("tfvae")
class UnitVarianceKL(Term):
    """The divergence of a Gaussian posterior from `N(loc, I)`, whatever its mean.

    It keeps a stochastic encoder from becoming a point and leaves the mean alone, as
    WAE-S needs beside its discrepancy of the aggregated posterior.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.

    Raises:
        ValueError: If, in a model, the posterior is no Gaussian.

    References:
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, equation 5.
    """

    requires_density = True

    def __init__(self, weight=1.0, *, name="kl_to_unit_variance", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)

    def check(self, model):
        """Refuses a posterior that is no Gaussian."""
        super().check(model)
        posterior = _as_multivariate(example_distributions(model)[0])
        if not isinstance(posterior, tfd.MultivariateNormalLinearOperator):
            raise ValueError(
                "`UnitVarianceKL` needs a Gaussian posterior. Use `Gaussian`, or `KL`. "
                f"Received: posterior={type(model.posterior).__name__}"
            )

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        return kl_to_unit_variance(forward.posterior)


def _without_value(tensor):
    """Returns zeros with the gradient of a tensor."""
    return tensor - tf.stop_gradient(tensor)


def _stopped(distribution):
    """Creates a distribution of the same parameters, their gradients stopped."""
    parameters = {
        name: _stopped(value)
        if isinstance(value, tfd.Distribution)
        else tf.nest.map_structure(
            lambda each: tf.stop_gradient(each) if tf.is_tensor(each) else each, value
        )
        for name, value in distribution.parameters.items()
    }
    return distribution.copy(**parameters)


def _of_one_family(posterior, prior):
    """Turns a diagonal Gaussian into a multivariate one where the other is one.

    TFP has a divergence within either class but none between them.
    """
    pair = (posterior, prior)
    multivariate = tfd.MultivariateNormalLinearOperator
    if any(isinstance(each, multivariate) for each in pair):
        pair = tuple(_as_multivariate(each) for each in pair)
    return pair


def _as_multivariate(distribution):
    """Restates independent normals as one multivariate normal."""
    if not isinstance(distribution, tfd.Independent):
        return distribution
    normal = distribution.distribution
    if not isinstance(normal, tfd.Normal):
        return distribution
    scale = tf.broadcast_to(normal.scale, tf.shape(normal.loc))
    return tfd.MultivariateNormalDiag(normal.loc, scale)


def example_distributions(model):
    """Creates a model's posterior and prior of one row, to look at their types."""
    code = tf.zeros([1, model.widths["code_dim"]])
    posterior = model.posterior.distribution(model.posterior(code))
    context_dim = model.widths["context_dim"]
    context = None if context_dim is None else tf.zeros([1, context_dim])
    prior = model.prior.distribution(model.prior_params(1, context))
    return posterior, prior
