"""A bonus for the mutual information of sentence and code."""

import math

import keras
import tensorflow as tf

from tfvae.checks import require, require_one_of
from tfvae.distributions.divergences import (
    donsker_varadhan,
    log_mean_exp,
    roll_batch,
    tangent_bound,
)
from tfvae.layers.dense import MLP
from tfvae.objectives.critics import prior_codes, score
from tfvae.objectives.term import CriticTerm
from tfvae.seeds import Stream

_FORMS = ("donsker_varadhan", "nwj", "paper")
_PRODUCTS = ("batch", "prior")


@keras.saving.register_keras_serializable("tfvae")
class MutualInformation(CriticTerm):
    """Rewards mutual information of sentence and code, estimated by a critic.

    The cost is minus the estimate, from scores `f(code, z)` of pairs that belong
    together and of pairs whose codes are rolled by one sentence. The forms:

    - `"donsker_varadhan"`: `E[f] - log E[exp(f)]`.
    - `"nwj"`: `E[f] - xi * E[exp(f)] + log(xi) + 1` with `xi = 1 / E[exp(f)]` held
      fixed. Without a moving average it has the value and gradient of the former.
    - `"paper"`: the same with `xi = E[exp(f)]`, as VAE-MINE prints it. It is tight at
      `E[exp(f)] = 1` only.

    The critic reads the encoder's code as it is, without gradient: the encoder learns
    through `z` alone, and no layers are shared with the critic. A batch of one
    sentence has no other pairs; its estimate says nothing, but is finite.

    Pairs that do not belong together come from one batch, and `Batches` fills it with
    sentences of about one length. They are independent given that length only: what
    the code says of the length is left out of the estimate and not rewarded.

    Given a condition, pairs of the batch reward what the code says of the context as
    well. A prior that is learned from the context would follow the posterior there, so
    that no divergence stands against it and the estimate has no bound but `cap`: the
    presets keep a standard normal prior. With `product="prior"` the other code of a
    pair is a sample of the row's prior, and the estimate that of the divergence of
    posterior and prior. A learned prior, which does not learn from it, then runs after
    a posterior that is paid for its distance: with weight 1 codes of the grammar's
    answers grew until the decoder did not read the question.

    Args:
        weight: Float or `Schedule`, alpha. The divergence of the posterior from the
            prior holds the mutual information once, so above 1 the objective has no
            bound but the critic's strength and `cap` (VAE-MINE takes 2 to 5). Defaults
            to `1.0`.
        form: One of the above. Defaults to `"donsker_varadhan"`.
        hidden_dims: Tuple of positive ints, widths of the critic's ReLU layers.
            Defaults to `(512, 512)`.
        momentum: Float in `[0, 1)`, the share that a moving average of `E[exp(f)]`,
            saved with the model and moved at each critic step, keeps at a step, or
            `None` for the batch's own mean. It takes the place of the batch's mean in
            `xi`, and in the gradient of the first form, which lessens the bias.
        cap: Positive float, nats above which the bonus stays flat, or `None`.
        critic_optimizer: Keras optimizer or its name. Defaults to `"adam"`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults
            to `1`.
        product: `"batch"` or `"prior"`, whose codes stand in pairs that do not belong
            together. Defaults to `"batch"`, as in the paper.

    Raises:
        ValueError: If an option is unknown or out of range.

    References:
        Qian and Cheung 2019, Enhancing Variational Autoencoders with Mutual
        Information Neural Estimation for Text Generation, equation 13 and algorithm
        1. Equation 13 prints the inverse of the best `xi`; the bonus here is
        taken against the updated critic and weighs alpha throughout, and batches are
        rolled where the paper shuffles them and shares the critic's lower layers with
        the encoder. Belghazi et al. 2018, section 3.2, for the moving average.
    """

    def __init__(
        self,
        weight=1.0,
        form="donsker_varadhan",
        hidden_dims=(512, 512),
        momentum=None,
        cap=None,
        critic_optimizer="adam",
        num_critic_steps=1,
        product="batch",
        *,
        name="mutual_information",
        dtype=None,
    ):
        super().__init__(
            weight, critic_optimizer, num_critic_steps, name=name, dtype=dtype
        )
        require_one_of("form", form, _FORMS)
        require_one_of("product", product, _PRODUCTS)
        if momentum is not None:
            what = "in [0, 1), or None for no moving average"
            require("momentum", momentum, 0.0 <= momentum < 1.0, what)
        if cap is not None:
            require("cap", cap, cap > 0.0, "positive, or None for no cap")
        self.form = form
        self.hidden_dims = tuple(hidden_dims)
        self.momentum = momentum
        self.cap = cap
        self.product = product

    @property
    def needs_fixed_prior(self):
        """Whether a prior that learns from a context would be rewarded without end."""
        return self.product == "batch"

    def build(self, *, code_dim, latent_dim, **widths):
        """Creates the critic and the moving average."""
        width = code_dim + latent_dim
        self.critic = MLP(width, self.hidden_dims, 1, name="critic")
        # In the log domain, as everything here.
        self.log_average = None
        if self.momentum is not None:
            self.log_average = self.add_weight(
                name="log_average", shape=(), initializer="zeros", trainable=False
            )
        super().build()

    def critic_cost(self, forward, index):
        """Computes minus the estimate, other pairs at each step."""
        joint, product = self._scores(forward, index)
        if self.momentum is not None:
            self._move_average(log_mean_exp(product))
        return -self._estimate(joint, product)

    def cost(self, forward):
        """Computes minus the estimate, at least `-cap`, `[B]` of one value."""
        estimate = self._estimate(*self._scores(forward, 0))
        if self.cap is not None:
            estimate = tf.minimum(estimate, self.cap)
        return tf.fill([tf.shape(forward.z)[1]], -estimate)

    def _scores(self, forward, shift):
        """Scores pairs that belong together and others, both float32 `[S, B]`."""
        known = [forward.code]
        if self.product == "prior":
            others = prior_codes(forward, Stream.MUTUAL_INFORMATION, shift, False)
        else:
            others = roll_batch(forward.z, shift)
        return score(self.critic, forward.z, known), score(self.critic, others, known)

    def _estimate(self, joint, product):
        if self.momentum is None:
            reference = log_mean_exp(product)
        else:
            reference = self.log_average.value
        reference = tf.stop_gradient(reference)
        if self.form == "paper":
            return tangent_bound(joint, product, reference)
        tangent = tangent_bound(joint, product, -reference)
        if self.form == "nwj":
            return tangent
        value = donsker_varadhan(joint, product)
        if self.momentum is None:
            return value
        return tangent + tf.stop_gradient(value - tangent)

    def _move_average(self, log_mean):
        old = self.log_average.value + math.log(max(self.momentum, 1e-30))
        new = tf.stop_gradient(log_mean) + math.log1p(-self.momentum)
        self.log_average.assign(tf.reduce_logsumexp(tf.stack([old, new])))
