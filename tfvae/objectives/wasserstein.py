"""The Wasserstein distance of posterior and prior codes, estimated by a critic."""

import keras
import tensorflow as tf

from tfvae.layers.dense import MLP
from tfvae.objectives.critics import prior_codes, score, slopes
from tfvae.objectives.term import CriticTerm
from tfvae.seeds import Stream, fold_in


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
