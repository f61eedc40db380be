"""What every schedule offers, and the one that stands still."""

import keras
import tensorflow as tf


class Schedule:
    """A weight as a function of the model's step counter.

    A subclass stores its arguments under their own names, implements `__call__` and
    `final`, and names in `times` the arguments that are numbers of steps. Steps are
    full updates of the model, counted from 0.
    """

    times = ()

    def __call__(self, step):
        """Gives the weight at a step, float32 scalar from an int scalar."""
        raise NotImplementedError(f"{type(self).__name__} must implement `__call__`.")

    @property
    def final(self):
        """The weight after the last change, a float; validation uses it."""
        raise NotImplementedError(f"{type(self).__name__} must implement `final`.")

    def stretched(self, factor):
        """Gives the same course over `factor` times as many steps.

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
        """Makes the schedule again from `get_config`."""
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
    raise ValueError(f"`weight` must be a number or a `Schedule`. Received: {weight!r}")


def _times(value, factor):
    return [v * factor for v in value] if isinstance(value, list) else value * factor


def require_positive(name, value):
    """Refuses a number that is not positive."""
    if value <= 0:
        raise ValueError(f"`{name}` must be positive. Received: {name}={value}")


@keras.saving.register_keras_serializable("tfvae")
class Constant(Schedule):
    """The same weight at every step.

    Args:
        value: Float.
    """

    def __init__(self, value):
        self.value = float(value)

    def __call__(self, step):
        """Gives `value`."""
        return tf.constant(self.value)

    @property
    def final(self):
        """`value`."""
        return self.value
