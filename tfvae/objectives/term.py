"""What every term of an objective offers, and the terms of likelihood."""

import math

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.layers.component import Component
from tfvae.layers.dense import dense
from tfvae.objectives.schedules import as_schedule
from tfvae.ops.replicas import apply_mean, mean
from tfvae.ops.sequences import PAD_ID


class Term(Component):
    """One cost of an objective: reads a `Forward`, returns a cost for each sentence.

    The model adds up `weight(step) * mean(cost)` over its terms and logs each mean
    cost under the term's name. A subclass implements `cost`; one with several parts
    overrides `costs`; one with weights creates them in `build`, which takes the widths
    that it needs; one with more to check overrides `check`.

    Args:
        weight: Float, `Schedule`, or `Control` that moves the weight towards a target
            of the cost. Defaults to `1.0`.

    Attributes:
        requires_latent: Whether the model needs a latent.
        requires_density: Whether the posterior and the prior need densities.
        has_critic: Whether the term learns a critic before the objective is taken.
        can_be_controlled: Whether the weight may be a `Control`.
        trains_prior: Whether a prior with weights of its own learns from the cost.
        pools_codes: Whether the codes of a batch are compared with the prior as one
            sample, so that there must be one prior for all of them.
        needs_fixed_prior: Whether a prior that learns would lower the cost without end.
    """

    requires_latent = False
    requires_density = False
    has_critic = False
    can_be_controlled = True
    trains_prior = False
    pools_codes = False
    needs_fixed_prior = False

    def __init__(self, weight=1.0, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        # A Schedule is no Keras object that a layer would track; a Control is one.
        self._weight = _as_weight(weight)
        if self.is_controlled and not self.can_be_controlled:
            raise ValueError(
                f"`weight` of `{type(self).__name__}` must be a number or a "
                "`Schedule`: its cost has no single value to bring to a target. "
                f"Received: weight={type(weight).__name__}"
            )
        # What a compiled step reads, NaN where the schedule counts.
        self._number = self.add_weight(
            name="weight_number",
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(math.nan),
            trainable=False,
        )

    @property
    def is_controlled(self):
        """Whether the weight follows the cost."""
        return self._weight.follows_cost

    @property
    def weight(self):
        """The `Schedule` or the `Control` of the weight.

        May be set, to a number too, also while `fit` runs: a number is read by steps
        that are compiled already, another schedule makes `fit` compile them again.
        """
        return self._weight

    @weight.setter
    def weight(self, value):
        """Sets the weight; see the property."""
        self._weight = _as_weight(value)
        is_number = isinstance(value, (int, float))
        self._number.assign(self._weight.value if is_number else math.nan)

    @property
    def schedules(self):
        """The schedules that a compiled step has in it."""
        follows = math.isnan(float(self._number.numpy()))
        return [self._weight if follows else None]

    def observe(self, costs):
        """Lets a `Control` of the weight see the costs of a full update.

        Args:
            costs: Dict from `costs`, of this replica.
        """
        if self.is_controlled:
            self._weight.observe(mean(tf.reduce_mean(costs[self.name])))

    def bind(self, model):
        """Checks that the term fits a model and creates what the term owns.

        Args:
            model: The model under construction, its components built.

        Raises:
            ValueError: If the term does not fit; see `check`.
        """
        self.check(model)
        if not self.built:
            self.build(**model.widths)

    def check(self, model):
        """Refuses a model that this term cannot serve; creates nothing.

        Raises:
            ValueError: If the term needs a latent or a density that the model lacks.
        """
        if self.requires_latent and model.posterior is None:
            raise ValueError(
                f"`{type(self).__name__}` reads latent codes. Use it in a `VAE`, or "
                "drop the term. Received: a model without a posterior"
            )
        if self.requires_density:
            for role in ("posterior", "prior"):
                _require_density(self, role, getattr(model, role))

    def cost(self, forward):
        """Computes the cost, float32 `[B]`, unweighted, lower is better."""
        raise NotImplementedError(f"{type(self).__name__} must implement `cost`.")

    def costs(self, forward):
        """Computes the cost under the term's name; several where it has parts."""
        return {self.name: self.cost(forward)}

    def reported(self, forward):
        """Computes metrics that a paper defines by this term, for evaluation.

        Args:
            forward: A `Forward` without dropout whose `z`, `log_q` and
                `log_likelihood` are of samples of the posterior.

        Returns:
            Dict of float32 `[B]`; empty for most terms. None of them is a bound.
        """
        return {}

    def weighted(self, costs, step):
        """Adds up the mean costs times their weight.

        Args:
            costs: Dict from `costs`.
            step: Int scalar tensor, or `None` for the schedule's final weight.

        Returns:
            Tuple of the scalar sum and a dict of the weights by name.
        """
        weight = self._weight(step) if step is not None else self._weight.final
        weight = tf.convert_to_tensor(weight, tf.float32)
        number = self._number.value
        weight = tf.where(tf.math.is_nan(number), weight, number)
        total = tf.add_n([tf.reduce_mean(cost) for cost in costs.values()])
        return weight * total, {f"{self.name}_weight": weight}


def _as_weight(weight):
    """Turns a number into a `Constant`; leaves a `Schedule` or a `Control` as it is."""
    follows_cost = getattr(weight, "follows_cost", False)
    return weight if follows_cost else as_schedule(weight)


class CriticTerm(Term):
    """A term with a critic that is updated before the objective is taken.

    Each training step first takes `num_critic_steps` steps of `critic_optimizer` on
    `critic_cost`, with gradients into the model stopped, and then the model's step
    on `cost` against the updated critic. A subclass assigns `critic`, a built layer,
    in `build` and calls `super().build()` last.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        critic_optimizer: Keras optimizer or its name. Defaults to `"adam"`.
        num_critic_steps: Positive int, critic steps for one of the model. Defaults
            to `1`.

    Raises:
        ValueError: If `num_critic_steps` is not positive.
    """

    requires_latent = True
    has_critic = True
    critic = None

    def __init__(
        self,
        weight=1.0,
        critic_optimizer="adam",
        num_critic_steps=1,
        *,
        name=None,
        dtype=None,
    ):
        super().__init__(weight, name=name, dtype=dtype)
        require("num_critic_steps", num_critic_steps, num_critic_steps >= 1, "positive")
        self.critic_optimizer = keras.optimizers.get(critic_optimizer)
        self.num_critic_steps = num_critic_steps

    def build(self, **widths):
        """Builds the optimizer on the critic's weights, so that both are saved."""
        self.critic_optimizer.build(self.critic.trainable_variables)
        super().build(**widths)

    def critic_cost(self, forward, index):
        """Computes what the critic minimises.

        Args:
            forward: A `Forward` whose tensors pass no gradient to the model.
            index: Int, the number of the critic step within this model step, for
                fresh samples.

        Returns:
            Float32 scalar.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `critic_cost`."
        )

    def update_critic(self, forward):
        """Takes the critic's steps on a record with gradients stopped."""
        variables = self.critic.trainable_variables
        for index in range(self.num_critic_steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([variable.value for variable in variables])
                cost = self.critic_cost(forward, index)
            gradients = tape.gradient(cost, [v.value for v in variables])
            apply_mean(self.critic_optimizer, gradients, variables)


def _require_density(term, role, latent):
    if latent is None or not latent.has_density:
        received = "no latent" if latent is None else type(latent).__name__
        raise ValueError(
            f"`{type(term).__name__}` needs a {role} with a density. Use a latent such "
            f"as `Gaussian`, or drop the term. Received: {role}={received}"
        )


@keras.saving.register_keras_serializable("tfvae")
class Reconstruction(Term):
    """Negative log-likelihood of the sentence given its latent.

    Computes `-mean over samples of log p(x|z)`, a sum over words and `</s>` in nats:
    papers that average over the tokens of a sentence (WAE) state weights relative to
    that, which are to be multiplied by the mean length here.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
    """

    def __init__(self, weight=1.0, *, name="reconstruction", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        return -tf.reduce_mean(forward.log_likelihood, axis=0)


@keras.saving.register_keras_serializable("tfvae")
class BagOfWords(Term):
    """The bag-of-words loss on the latent.

    Computes `-sum over words of log softmax(network(z))[word]`, the mean over
    samples; `</s>` is not a word here. The network has one tanh layer, and reads the
    condition beside the code where there is one.

    Args:
        weight: Float or `Schedule`. Defaults to `1.0`.
        hidden_dim: Positive int, width of the tanh layer. Defaults to `400`.

    References:
        Zhao et al. 2017, Learning Discourse-level Diversity for Neural Dialog
        Models, equation 6; width 400 and weight 1 from its released code.
    """

    requires_latent = True

    def __init__(self, weight=1.0, hidden_dim=400, *, name="bag_of_words", dtype=None):
        super().__init__(weight, name=name, dtype=dtype)
        self.hidden_dim = hidden_dim

    def build(self, *, latent_dim, vocabulary_size, context_dim=None, **widths):
        """Creates the network."""
        width = latent_dim + (context_dim or 0)
        self.hidden = dense(self.hidden_dim, width, activation="tanh", name="hidden")
        self.output_layer = dense(vocabulary_size, self.hidden_dim, name="output")
        super().build()

    def cost(self, forward):
        """Computes the cost `[B]` in nats per sentence."""
        tokens = forward.inputs["tokens"]
        read = forward.z
        if forward.context is not None:
            shape = tf.concat([tf.shape(read)[:1], tf.shape(forward.context)], 0)
            context = tf.broadcast_to(forward.context, shape)
            read = tf.concat([read, tf.cast(context, read.dtype)], -1)
        logits = self.output_layer(self.hidden(read))
        log_probs = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        num_samples = tf.shape(log_probs)[0]
        index = tf.repeat(tokens[None], num_samples, axis=0)
        chosen = tf.gather(log_probs, index, batch_dims=2)
        is_word = tf.cast(tf.not_equal(tokens, PAD_ID), tf.float32)
        return -tf.reduce_mean(tf.reduce_sum(chosen * is_word, -1), axis=0)


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
