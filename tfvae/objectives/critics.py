"""Divergences of codes that a critic estimates, and what critics of codes read."""

import keras
import tensorflow as tf

from tfvae.checks import require_one_of
from tfvae.distributions.divergences import (
    bounded_exp,
    donsker_varadhan,
    log_mean_exp,
    tangent_bound,
)
from tfvae.distributions.sampling import sample
from tfvae.layers.dense import MLP
from tfvae.objectives.term import CriticTerm
from tfvae.seeds import Stream, fold_in, uniform

_VALUES = {"tangent": tangent_bound, "donsker_varadhan": donsker_varadhan}


def beside(z, known):
    """Joins codes with what is known of their rows, whose gradient is stopped.

    Args:
        z: Float tensor `[S, B, Z]`.
        known: List of float tensors `[B, ...]`, which come first.

    Returns:
        Float tensor `[S, B, ...]`.
    """
    for part in reversed(known):
        part = tf.stop_gradient(part)
        shape = tf.concat([tf.shape(z)[:1], tf.shape(part)], 0)
        z = tf.concat([tf.broadcast_to(part, shape), tf.cast(z, part.dtype)], -1)
    return z


def score(critic, z, known=()):
    """Scores codes beside what is known, float32 `[S, B]`; see `beside`."""
    return tf.cast(critic(beside(z, known))[..., 0], tf.float32)


def prior_codes(forward, stream, index, passes_gradient=True):
    """Samples as many codes of each row's prior as a record has of its posterior.

    Args:
        forward: A `Forward`.
        stream: `Stream` of the term that asks.
        index: Int, the number of the critic step, for fresh samples.
        passes_gradient: Whether the prior may learn from them. Defaults to `True`.

    Returns:
        Float32 tensor `[S, B, Z]`.
    """
    seed = fold_in(fold_in(forward.seed, stream), index)
    fresh = sample(forward.prior, tf.shape(forward.z)[0], seed)
    return fresh if passes_gradient else tf.stop_gradient(fresh)


def slopes(critic, z, fresh, known, seed, of_mean=False):
    """Computes the norms of a critic's gradient between codes and prior draws.

    Args:
        critic: Layer from codes beside what is known to scores `[..., 1]`.
        z: Float tensor `[S, B, Z]`.
        fresh: Float32 tensor `[S, B, Z]`; each point lies between two of a row.
        known: As of `score`.
        seed: Int tensor `[2]`, of the places.
        of_mean: Whether the gradient is of the mean score, not of each row's own, and
            then `S * B` times smaller. Defaults to `False`.

    Returns:
        Float32 tensor `[S, B]`, differentiable by the critic's weights.
    """
    z, fresh = (tf.stop_gradient(tf.cast(each, tf.float32)) for each in (z, fresh))
    share = uniform(tf.shape(z)[:-1], seed)[..., None]
    points = share * z + (1.0 - share) * fresh
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        scores = score(critic, points, known)
        if of_mean:
            scores = tf.reduce_mean(scores)
    squared = tf.reduce_sum(tape.gradient(scores, points) ** 2, -1)
    # The derivative of a norm of 0 is no number.
    return tf.sqrt(tf.maximum(squared, 1e-24))


@keras.saving.register_keras_serializable("tfvae")
class DualKL(CriticTerm):
    """The dual form of the divergence of the posterior from the prior.

    Computes `E_q[nu] - E_p[exp(nu)] + 1`, which is at most the divergence, and equal
    to it where the critic `nu` is the logarithm of the ratio of densities. With
    `joint=True` the critic is `nu(code, z)` and the divergence that of `q(z|x)` (iVAE);
    with `joint=False` it is `nu(z)` and the divergence that of the aggregated posterior
    `q(z)` (iVAE-MI), which leaves the mutual information of sentence and code free.

    Where the prior reads a condition the critic reads it too: with `joint=False` it is
    `nu(context, z)`, and the divergence is of `q(z|context)` from the prior given the
    context, on average over contexts.

    A lower bound of a divergence makes no upper bound of the negative log-likelihood:
    never add this cost to the reconstruction and call the sum `nelbo`. The critic reads
    the encoder's code without gradient; prior draws are fresh at each critic step.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        joint: Whether the critic reads the code too. Defaults to `True`.
        hidden_dims: Tuple of positive ints, widths of the critic's LeakyReLU layers
            (Keras's slope 0.2). Defaults to `(512, 512, 512)`.
        critic_optimizer: Keras optimizer or its name, or `None` for Adam with learning
            rate 1e-5.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults
            to `5`.
        form: `"tangent"`, the above, or `"donsker_varadhan"`,
            `E_q[nu] - log E_p[exp(nu)]`, which is the same for the critic that the
            tangent form is best at and nearer to the divergence for any other. Its
            gradient is a weighted mean over draws, where that of the tangent form grows
            like `exp(nu)`: with a learned prior, which looks for the draws that the
            critic rates too high, it then outweighs all other gradients. The critic is
            determined up to a constant only. Defaults to `"tangent"`, as in the paper.
        nonnegative: Whether an estimate below 0, which no divergence is, costs nothing
            and has no gradient. Otherwise codes, and a learned prior, gain without
            limit by running ahead of the critic: away from all that it has seen its
            scores grow linearly. Defaults to `True`; the paper has no such bound.
        slope_penalty: Non-negative float, by which the critic also minimises the mean
            square of the norm of `d nu / dz` between codes and prior draws. Where both
            agree the best critic is constant and pays nothing. Without it a learned
            prior can run away to where the critic, which has seen no code there,
            happens to be large. Defaults to `0.0`, as in the paper.
        name: Str. Defaults to `"dual_kl"` or `"dual_marginal_kl"`.

    Raises:
        ValueError: If `num_critic_steps` is not positive, `slope_penalty` is negative
            or `form` is unknown.

    References:
        Fang et al. 2019, Implicit Deep Latent Variable Models for Text Generation,
        section 3; the constant 1, which they drop, is kept. In the released
        code of style transfer the critic's mean is taken before the exponential,
        which breaks the bound; here after it. Above 40 the exponential goes on as its
        tangent.

        Mescheder et al. 2018, Which Training Methods for GANs do actually Converge?,
        for a penalty on the slope, there at samples of one side.
    """

    trains_prior = True

    def __init__(
        self,
        weight=1.0,
        joint=True,
        hidden_dims=(512, 512, 512),
        critic_optimizer=None,
        num_critic_steps=5,
        form="tangent",
        slope_penalty=0.0,
        nonnegative=True,
        *,
        name=None,
        dtype=None,
    ):
        if critic_optimizer is None:
            critic_optimizer = keras.optimizers.Adam(1e-5)
        super().__init__(
            weight,
            critic_optimizer,
            num_critic_steps,
            name=name or ("dual_kl" if joint else "dual_marginal_kl"),
            dtype=dtype,
        )
        require_one_of("form", form, tuple(_VALUES))
        if slope_penalty < 0.0:
            raise ValueError(
                "`slope_penalty` must not be negative. "
                f"Received: slope_penalty={slope_penalty}"
            )
        self.form = form
        self.slope_penalty = slope_penalty
        self.nonnegative = nonnegative
        self.joint = joint
        self.hidden_dims = tuple(hidden_dims)

    def build(self, *, code_dim, latent_dim, code_context_dim=None, **widths):
        """Creates the critic."""
        read = code_dim if self.joint else 0
        # The joint critic's code holds the context only where the posterior reads it.
        self._reads_context = code_context_dim is not None
        width = latent_dim + read + (code_context_dim or 0)
        self.critic = MLP(
            width, self.hidden_dims, 1, activation="leaky_relu", name="critic"
        )
        super().build()

    def critic_cost(self, forward, index):
        """Computes minus the dual value, on fresh draws of the prior at each step."""
        fresh = prior_codes(forward, Stream.DUAL_KL, index, passes_gradient=False)
        cost = -_VALUES[self.form](*self._scores(forward, fresh))
        if self.slope_penalty:
            seed = fold_in(fold_in(forward.seed, Stream.CRITIC_SLOPES), index)
            known = self._known(forward)
            found = slopes(self.critic, forward.z, fresh, known, seed)
            cost += self.slope_penalty * tf.reduce_mean(found**2)
        return cost

    def cost(self, forward):
        """Computes the dual value `[B]` in nats, below the divergence on average.

        Rows may be negative; what is not, unless `nonnegative` is false, is their mean.
        """
        value = self._value(forward)
        if not self.nonnegative:
            return value
        # As a condition that is false of what is no number, which must stay one.
        return tf.where(tf.reduce_mean(value) < 0.0, tf.zeros_like(value), value)

    def _value(self, forward):
        fresh = prior_codes(forward, Stream.DUAL_KL, self.num_critic_steps)
        own, fresh = self._scores(forward, fresh)
        if self.form == "donsker_varadhan":
            return tf.reduce_mean(own, 0) - log_mean_exp(fresh)
        size = tf.cast(tf.shape(fresh)[0], tf.float32)
        log_means = tf.reduce_logsumexp(fresh, 0) - tf.math.log(size)
        return tf.reduce_mean(own, 0) - bounded_exp(log_means) + 1.0

    def reported(self, forward):
        """Computes what Fang et al. report, `[B]` in nats; none of it is a bound.

        `critic_kl`, the value of the joint critic, and `critic_elbo`, the
        reconstruction plus that; or `critic_marginal_kl`, the marginal critic's value.
        """
        value = self._value(forward)
        if not self.joint:
            return {"critic_marginal_kl": value}
        reconstruction = -tf.reduce_mean(forward.log_likelihood, axis=0)
        return {"critic_kl": value, "critic_elbo": reconstruction + value}

    def _scores(self, forward, fresh):
        """Scores the record's codes and draws of the prior, both float32 `[S, B]`."""
        known = self._known(forward)
        return score(self.critic, forward.z, known), score(self.critic, fresh, known)

    def _known(self, forward):
        known = [forward.context] if self._reads_context else []
        return known + ([forward.code] if self.joint else [])


@keras.saving.register_keras_serializable("tfvae")
class Wasserstein(CriticTerm):
    """The Wasserstein-1 distance of the aggregated posterior from the prior.

    Computes `E_q[f(z)] - E_p[f(z)]` with the critic `f` that maximises it minus
    `penalty * E[(norm(df/dz) - 1) ** 2]`, the gradient taken at points between a code
    and a prior draw, row by row. Needs no densities: any posterior and any prior that
    can be sampled. As the penalty grows the optimum tends to the distance, in the units
    of `z`; for two unit Gaussians whose means are `d` apart and a linear critic it is
    `d * (1 + d / (2 * penalty))`.

    Where the prior reads a condition the critic is `f(context, z)`, and the distance
    that of `q(z|context)` and `p(z|context)`, on average over contexts.

    It bounds no likelihood: never add it to the reconstruction and call the sum
    `nelbo`. The critic has no batch normalisation, which would let the score of a code
    depend on the others and void a penalty by row.

    Args:
        weight: Float or `Schedule`. Papers' values go with their reconstruction term:
            multiply by the mean length those that stand beside a mean over tokens.
            Defaults to `1.0`.
        penalty: Positive float. Defaults to `10.0`.
        penalty_of: `"row"`, the gradient of each row's own score, or `"batch_mean"`,
            that of the mean score of the batch as in the released code of ARAE,
            DialogWAE and iVAE: it is `S * B` times smaller, so that norms of `S * B`
            are asked for instead of 1. Defaults to `"row"`.
        posterior_weight: Non-negative float by which the gradient into the posterior
            is multiplied, the prior's is not. Defaults to `1.0`; ARAE has `0.01`.
        hidden_dims: Tuple of positive ints, widths of the critic's LeakyReLU layers
            (Keras's slope 0.2). Defaults to `(512, 512, 512)`.
        critic_optimizer: Keras optimizer or its name, or `None` for Adam with learning
            rate 1e-4, `beta_1=0` and `beta_2=0.9`, as in Gulrajani et al.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults
            to `5`.

    Raises:
        ValueError: If an option is out of range.

    References:
        Gulrajani et al. 2017, Improved Training of Wasserstein GANs, algorithm 1; Gu
        et al. 2019, DialogWAE, equation 5, whose released critic is high on draws of
        the prior: the sign of `f` is the other one, the distance the same.
    """

    trains_prior = True

    def __init__(
        self,
        weight=1.0,
        penalty=10.0,
        penalty_of="row",
        posterior_weight=1.0,
        hidden_dims=(512, 512, 512),
        critic_optimizer=None,
        num_critic_steps=5,
        *,
        name="wasserstein",
        dtype=None,
    ):
        if critic_optimizer is None:
            critic_optimizer = keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)
        super().__init__(
            weight, critic_optimizer, num_critic_steps, name=name, dtype=dtype
        )
        if penalty <= 0.0 or posterior_weight < 0.0:
            raise ValueError(
                "`penalty` must be positive and `posterior_weight` not negative. "
                f"Received: penalty={penalty}, posterior_weight={posterior_weight}"
            )
        if penalty_of not in ("row", "batch_mean"):
            raise ValueError(
                "`penalty_of` must be 'row' or 'batch_mean'. "
                f"Received: penalty_of={penalty_of!r}"
            )
        self.penalty = penalty
        self.penalty_of = penalty_of
        self.posterior_weight = posterior_weight
        self.hidden_dims = tuple(hidden_dims)

    def check(self, model):
        """Refuses codes on a sphere, which the way between two of them leaves."""
        super().check(model)
        if model.posterior.support != "real":
            raise ValueError(
                "`Wasserstein` penalises the critic between two codes, which is off "
                "the sphere. Use `MMD` or `DualKL`. "
                f"Received: posterior={type(model.posterior).__name__}"
            )

    def build(self, *, latent_dim, code_context_dim=None, **widths):
        """Creates the critic."""
        self._reads_context = code_context_dim is not None
        self.critic = MLP(
            latent_dim + (code_context_dim or 0),
            self.hidden_dims,
            1,
            activation="leaky_relu",
            # A constant would cancel in the difference.
            output_bias=False,
            name="critic",
        )
        super().build()

    def critic_cost(self, forward, index):
        """Computes minus the penalised difference, on fresh prior draws each step."""
        fresh = prior_codes(forward, Stream.WASSERSTEIN, index, passes_gradient=False)
        known = self._known(forward)
        own, other = (score(self.critic, z, known) for z in (forward.z, fresh))
        squared = (self._slopes(forward, fresh, index) - 1.0) ** 2
        return tf.reduce_mean(other - own + self.penalty * squared)

    def cost(self, forward):
        """Computes the difference of the scores `[B]`, in the units of `z`."""
        fresh = prior_codes(forward, Stream.WASSERSTEIN, self.num_critic_steps)
        z = forward.z
        if self.posterior_weight != 1.0:
            still = tf.stop_gradient(z)
            z = still + self.posterior_weight * (z - still)
        known = self._known(forward)
        difference = score(self.critic, z, known) - score(self.critic, fresh, known)
        return tf.reduce_mean(difference, 0)

    def _known(self, forward):
        return [forward.context] if self._reads_context else []

    def _slopes(self, forward, fresh, index):
        seed = fold_in(fold_in(forward.seed, Stream.CRITIC_SLOPES), index)
        of_mean = self.penalty_of == "batch_mean"
        known = self._known(forward)
        return slopes(self.critic, forward.z, fresh, known, seed, of_mean)
