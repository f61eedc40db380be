"""Weights that follow the cost they multiply towards a target."""

import keras
import tensorflow as tf

from tfvae.checks import require
from tfvae.layers.component import Component


class Control(Component):
    """A weight that each full update moves, so that a cost comes to a target.

    It stands where a number or a `Schedule` would: `KL(weight=PIControl(5.0))`. After
    each update of the model it sees the mean of the term's cost over the batch (over
    the batches of all replicas) and sets the weight of the next update. What it
    remembers is saved with the model. Validation takes the weight as it is and moves
    nothing.

    A subclass implements `next_weight` and creates in its constructor, by `number`,
    what it remembers.

    Args:
        target: Float, the wanted mean cost, in nats per sentence for a divergence.
        initial: Float, the weight of the first update.
    """

    follows_cost = True

    def __init__(self, target, initial, *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.target = target
        self._value = self.number("weight", initial)

    def number(self, name, initial):
        """Creates a float32 scalar that is saved with the model and not trained."""
        return self.add_weight(
            name=name,
            shape=(),
            dtype="float32",
            initializer=keras.initializers.Constant(initial),
            trainable=False,
            aggregation="only_first_replica",
        )

    @property
    def value(self):
        """The weight, a float32 scalar tensor."""
        return self._value.value

    def __call__(self, step):
        """Returns the weight, whatever the step."""
        return self.value

    @property
    def final(self):
        """The weight as it is, which validation uses."""
        return self.value

    def observe(self, cost):
        """Moves the weight.

        Args:
            cost: Float32 scalar, the mean cost of the update.
        """
        self._value.assign(self.next_weight(tf.stop_gradient(cost)))

    def next_weight(self, cost):
        """Computes the weight of the next update, a float32 scalar."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `next_weight`."
        )


@keras.saving.register_keras_serializable("tfvae")
class PIControl(Control):
    """A proportional and integral controller of a divergence, as in ControlVAE.

    With `error = target - cost` the weight is
    `clip(minimum + proportional / (1 + exp(error)) + I, minimum, maximum)`, and `I`
    falls by `integral * error` at each update: it grows while the divergence is above
    the target. The weight starts at `minimum`.

    Args:
        target: Positive float, the wanted divergence in nats per sentence.
        proportional: Non-negative float. Defaults to `0.01`.
        integral: Positive float. Defaults to `1e-4`, the paper's for text; a run of a
            few thousand updates needs more.
        minimum: Float, the least weight. Defaults to `0.0`.
        maximum: Float, the largest weight. Defaults to `1.0`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Shao et al. 2020, ControlVAE: Controllable Variational Autoencoder, equation 7
        and algorithm 1. The integral is held within what the bounds of the weight
        allow; in the released code a test that can never be true stands for
        that, and the integral winds up while the weight is at a bound.
    """

    def __init__(
        self,
        target,
        proportional=0.01,
        integral=1e-4,
        minimum=0.0,
        maximum=1.0,
        *,
        name=None,
        dtype=None,
    ):
        require("target", target, target > 0.0, "positive")
        require("proportional", proportional, proportional >= 0.0, "at least 0")
        require("integral", integral, integral > 0.0, "positive")
        require("maximum", maximum, maximum > minimum, f"above minimum={minimum}")
        super().__init__(target, minimum, name=name, dtype=dtype)
        self.proportional = proportional
        self.integral = integral
        self.minimum = minimum
        self.maximum = maximum
        self._sum = self.number("integral", 0.0)

    def next_weight(self, cost):
        """Computes the weight from the error and the integral so far."""
        error = self.target - cost
        integral = self._sum.value - self.integral * error
        integral = tf.clip_by_value(integral, 0.0, self.maximum - self.minimum)
        self._sum.assign(integral)
        weight = self.minimum + self.proportional * tf.sigmoid(-error) + integral
        return tf.clip_by_value(weight, self.minimum, self.maximum)


@keras.saving.register_keras_serializable("tfvae")
class GECO(Control):
    """A multiplier of a constraint, updated by the constraint's moving average.

    The constraint is `cost <= target`. With `average` the moving average of
    `cost - target` the weight is multiplied by `exp(rate * average)` at each update.
    As the weight of a `KL` it holds the divergence at `target`; as that of a
    `Reconstruction` it is the paper's own use, which lets the divergence fall as far
    as the wanted reconstruction allows.

    Args:
        target: Positive float, in nats per sentence.
        rate: Positive float. Defaults to `1e-3`.
        momentum: Float in `[0, 1)`, the share that the moving average keeps at an
            update. Defaults to `0.99`.
        initial: Positive float, the first weight. Defaults to `1.0`.
        minimum: Positive float, the least weight. Defaults to `1e-3`.
        maximum: Float, the largest weight. Defaults to `1e3`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Rezende and Viola 2018, Taming VAEs, algorithm 1, whose constraint is on the
        reconstruction. The multiplier is bounded here.
    """

    def __init__(
        self,
        target,
        rate=1e-3,
        momentum=0.99,
        initial=1.0,
        minimum=1e-3,
        maximum=1e3,
        *,
        name=None,
        dtype=None,
    ):
        require("target", target, target > 0.0, "positive")
        require("rate", rate, rate > 0.0, "positive")
        require("momentum", momentum, 0.0 <= momentum < 1.0, "in [0, 1)")
        require("minimum", minimum, minimum > 0.0, "positive")
        require("initial", initial, minimum <= initial <= maximum, "within the bounds")
        super().__init__(target, initial, name=name, dtype=dtype)
        self.rate = rate
        self.momentum = momentum
        self.initial = initial
        self.minimum = minimum
        self.maximum = maximum
        self._average = self.number("average", 0.0)
        # The share that the average keeps: none before the first cost.
        self._kept = self.number("kept", 0.0)

    def next_weight(self, cost):
        """Computes the weight from the moving average of the constraint."""
        kept = self._kept.value
        average = kept * self._average.value + (1.0 - kept) * (cost - self.target)
        self._average.assign(average)
        self._kept.assign(tf.constant(self.momentum, tf.float32))
        weight = self.value * tf.exp(self.rate * average)
        return tf.clip_by_value(weight, self.minimum, self.maximum)


@keras.saving.register_keras_serializable("tfvae")
class MinimumRate(Control):
    """The weight of a divergence that must not fall below a rate.

    Adds the constraint `target <= cost` to the bound by a multiplier:
    `cost + multiplier * (target - cost)`, up to a constant `(1 - multiplier) * cost`.
    The multiplier rises by `rate * (target - cost)` at each update and is never
    negative, so the weight is 1 where the divergence is above the target by itself,
    and may fall below 0 where it has to be pushed up.

    Args:
        target: Positive float, the least divergence in nats per sentence.
        rate: Positive float, step of the multiplier. Defaults to `1e-3`.

    Raises:
        ValueError: If an argument is out of range.

    References:
        Pelsmaeker and Aziz 2020, Effective Estimation of Deep Generative Language
        Models, section 3 (minimum desired rate). The multiplier takes plain gradient
        steps here and is cut off at 0.
    """

    def __init__(self, target, rate=1e-3, *, name=None, dtype=None):
        require("target", target, target > 0.0, "positive")
        require("rate", rate, rate > 0.0, "positive")
        super().__init__(target, 1.0, name=name, dtype=dtype)
        self.rate = rate

    def next_weight(self, cost):
        """Computes 1 minus the multiplier."""
        multiplier = 1.0 - self.value + self.rate * (self.target - cost)
        return 1.0 - tf.maximum(multiplier, 0.0)
