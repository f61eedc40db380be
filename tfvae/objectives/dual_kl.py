"""The divergence of a posterior without a density, estimated by a critic."""

import keras
import tensorflow as tf

from tfvae.distributions.mutual_information import (
    bounded_exp,
    donsker_varadhan,
    log_mean_exp,
    tangent_bound,
)
from tfvae.layers.dense import MLP
from tfvae.objectives.critics import prior_codes, score, slopes
from tfvae.objectives.term import CriticTerm
from tfvae.seeds import Stream, fold_in

_VALUES = {"tangent": tangent_bound, "donsker_varadhan": donsker_varadhan}


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

    Mescheder et al. 2018, Which Training Methods for GANs do actually Converge?, for a
        penalty on the slope, there at samples of one side.
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
        if form not in _VALUES:
            raise ValueError(
                f"`form` must be one of {tuple(_VALUES)}. Received: form={form!r}"
            )
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
