"""Weights as functions of the training step."""

import itertools
import math

import keras
import tensorflow as tf

from tfvae.checks import require


class Schedule:
    """A weight as a function of the model's step counter.

    A subclass stores its arguments under their own names, implements `__call__` and
    `final`, and names in `times` the arguments that are numbers of steps. Steps are
    full updates of the model, counted from 0.
    """

    times = ()
    follows_cost = False

    def __call__(self, step):
        """Returns the weight at a step, float32 scalar from an int scalar."""
        raise NotImplementedError(f"{type(self).__name__} must implement `__call__`.")

    @property
    def final(self):
        """The weight after the last change, a float; validation uses it."""
        raise NotImplementedError(f"{type(self).__name__} must implement `final`.")

    def rescaled(self, factor):
        """Returns the same course over `factor` times as many steps.

        Args:
            factor: Positive float, e.g. steps an epoch for a schedule in epochs.

        Returns:
            A `Schedule` of the same class.

        Raises:
            ValueError: If `factor` is not positive.
        """
        require_positive("factor", factor)
        config = self.get_config()
        for name in self.times:
            config[name] = _times(config[name], factor)
        return type(self)(**config)

    def get_config(self):
        """Returns the constructor's arguments."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config):
        """Creates the schedule again from `get_config`."""
        return cls(**config)


def as_schedule(weight):
    """Turns a number into a `Constant`; leaves a `Schedule` as it is.

    Raises:
        ValueError: If `weight` is neither.
    """
    if isinstance(weight, Schedule):
        return weight
    if isinstance(weight, (int, float)):
        return Constant(weight)
    raise ValueError(
        "`weight` must be a number, a `Schedule` or, of a term, a `Control`. "
        f"Received: {weight!r}"
    )


def _times(value, factor):
    return [v * factor for v in value] if isinstance(value, list) else value * factor


def require_positive(name, value):
    """Refuses a number that is not positive."""
    require(name, value, value > 0, "positive")


@keras.saving.register_keras_serializable("tfvae")
class Constant(Schedule):
    """The same weight at every step.

    Args:
        value: Float.
    """

    def __init__(self, value):
        self.value = float(value)

    def __call__(self, step):
        """Returns `value`."""
        return tf.constant(self.value)

    @property
    def final(self):
        """`value`."""
        return self.value


def _fraction(step, start, length):
    """The share of a ramp that is done, from 0 before `start` to 1 after it."""
    step = tf.cast(step, tf.float32)
    return tf.clip_by_value((step - start) / length, 0.0, 1.0)


@keras.saving.register_keras_serializable("tfvae")
class Linear(Schedule):
    """A straight ramp: `first + (last - first) * clip((step - start) / length)`.

    Args:
        length: Positive number of steps from `first` to `last`.
        first: Float, the weight up to `start`. Defaults to `0.0`.
        last: Float, the weight from `start + length` on. Defaults to `1.0`.
        start: Number of steps before the ramp. Defaults to `0`.

    Raises:
        ValueError: If `length` is not positive.

    Example:
    >>> schedule = Linear(10, first=0.1)
    >>> [round(float(schedule(step)), 2) for step in (0, 5, 10, 99)]
    [0.1, 0.55, 1.0, 1.0]
    """

    times = ("length", "start")

    def __init__(self, length, first=0.0, last=1.0, start=0):
        require_positive("length", length)
        self.length = length
        self.first = first
        self.last = last
        self.start = start

    def __call__(self, step):
        """Returns the weight at `step`."""
        done = _fraction(step, self.start, self.length)
        return self.first + (self.last - self.first) * done

    @property
    def final(self):
        """`last`."""
        return float(self.last)


@keras.saving.register_keras_serializable("tfvae")
class Sigmoid(Schedule):
    """A logistic ramp: `last / (1 + exp(-(step - middle) / width))`.

    Args:
        middle: Step at which half of `last` is reached. Defaults to `2500`.
        width: Positive number of steps. Defaults to `400`, a rate of 0.0025 a step.
        last: Float, the limit. Defaults to `1.0`.

    Raises:
        ValueError: If `width` is not positive.

    References:
        Bowman et al. 2016, Generating Sentences from a Continuous Space, figure 2;
        the defaults are those of the widespread PyTorch reimplementation.
    """

    times = ("middle", "width")

    def __init__(self, middle=2500, width=400, last=1.0):
        require_positive("width", width)
        self.middle = middle
        self.width = width
        self.last = last

    def __call__(self, step):
        """Returns the weight at `step`."""
        step = tf.cast(step, tf.float32)
        return self.last * tf.sigmoid((step - self.middle) / self.width)

    @property
    def final(self):
        """`last`."""
        return float(self.last)


@keras.saving.register_keras_serializable("tfvae")
class Cyclical(Schedule):
    """Repeated ramps: in each cycle up linearly, then flat; `last` after the cycles.

    Args:
        length: Positive number of steps of all cycles together.
        num_cycles: Positive int. Defaults to `4`.
        ratio: Float in `(0, 1]`, the share of a cycle spent on the ramp. Defaults to
            `0.5`.
        first: Float, the weight at the start of a cycle. Defaults to `0.0`.
        last: Float, the weight at the end of a ramp. Defaults to `1.0`.
        start: Number of steps before the first cycle, at `first`. Defaults to `0`.

    Raises:
        ValueError: If `length` or `num_cycles` is not positive or `ratio` is outside
            `(0, 1]`.

    Example:
    >>> schedule = Cyclical(40, num_cycles=2)
    >>> [float(schedule(step)) for step in (0, 5, 10, 19, 20, 25, 40)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]

    References:
        Fu et al. 2019, Cyclical Annealing Schedule, equation 6 with the defaults.
    """

    times = ("length", "start")

    def __init__(self, length, num_cycles=4, ratio=0.5, first=0.0, last=1.0, start=0):
        require_positive("length", length)
        require_positive("num_cycles", num_cycles)
        require("ratio", ratio, 0.0 < ratio <= 1.0, "in (0, 1]")
        self.length = length
        self.num_cycles = num_cycles
        self.ratio = ratio
        self.first = first
        self.last = last
        self.start = start

    def __call__(self, step):
        """Returns the weight at `step`."""
        elapsed = tf.maximum(tf.cast(step, tf.float32) - self.start, 0.0)
        cycle = self.length / self.num_cycles
        place = tf.math.floormod(elapsed, cycle) / cycle
        weight = self.first + (self.last - self.first) * tf.minimum(
            place / self.ratio, 1.0
        )
        return tf.where(elapsed >= self.length, float(self.last), weight)

    @property
    def final(self):
        """`last`."""
        return float(self.last)


@keras.saving.register_keras_serializable("tfvae")
class Peaking(Schedule):
    """A hyperbolic-tangent ramp, stopped on its way.

    Computes `scale * (tanh((t - middle) / width) + 1) / 2`, `t = min(step, stop)`.

    Args:
        middle: Step of the half-way point. Defaults to `4500`.
        width: Positive number of steps, the width of the ramp. Defaults to `1000`.
        stop: Step at which the weight is frozen. Defaults to `3000`.
        scale: Float factor, the mean number of tokens where the paper's weight is
            relative to a reconstruction averaged over tokens. Defaults to `1.0`.

    Raises:
        ValueError: If `width` is not positive.

    Example:
    >>> round(float(Peaking()(10000)), 4)
    0.0474

    References:
        Bahuleyan et al. 2019, the VAE baseline: its released code freezes the weight
        at step 3000 (0.0474) for sentences and at 2300 (0.0121) for dialogue, on a
        reconstruction averaged over the tokens of a sentence.
    """

    times = ("middle", "width", "stop")

    def __init__(self, middle=4500, width=1000, stop=3000, scale=1.0):
        require_positive("width", width)
        self.middle = middle
        self.width = width
        self.stop = stop
        self.scale = scale

    def __call__(self, step):
        """Returns the weight at `step`."""
        step = tf.minimum(tf.cast(step, tf.float32), float(self.stop))
        return self.scale * 0.5 * (tf.tanh((step - self.middle) / self.width) + 1.0)

    @property
    def final(self):
        """The frozen weight."""
        # Plain Python: inside a compiled test step a tensor has no value yet.
        frozen = math.tanh((self.stop - self.middle) / self.width)
        return self.scale * 0.5 * (frozen + 1.0)


@keras.saving.register_keras_serializable("tfvae")
class Piecewise(Schedule):
    """Straight lines through given points, flat before the first and after the last.

    Args:
        steps: Increasing numbers of steps, at least one.
        values: As many floats, the weights there.

    Raises:
        ValueError: If the two differ in length, are empty, or `steps` does not
            increase.

    Example:
    >>> schedule = Piecewise([0, 10, 20], [0.0, 1.0, 0.5])
    >>> [float(schedule(step)) for step in (5, 10, 15, 99)]
    [0.5, 1.0, 0.75, 0.5]
    """

    times = ("steps",)

    def __init__(self, steps, values):
        steps, values = list(steps), list(values)
        rising = all(a < b for a, b in itertools.pairwise(steps))
        if not steps or len(steps) != len(values) or not rising:
            raise ValueError(
                "`steps` must increase and have one entry in `values` each. "
                f"Received: steps={steps}, values={values}"
            )
        self.steps = steps
        self.values = values

    def __call__(self, step):
        """Returns the weight at `step`."""
        step = tf.cast(step, tf.float32)
        weight = tf.constant(float(self.values[0]))
        for index in range(len(self.steps) - 1):
            start, stop = self.steps[index : index + 2]
            rise = self.values[index + 1] - self.values[index]
            weight += rise * _fraction(step, start, stop - start)
        return weight

    @property
    def final(self):
        """The last of `values`."""
        return float(self.values[-1])
