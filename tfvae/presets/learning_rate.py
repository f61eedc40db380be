"""Courses of the learning rate that Keras does not have."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfvae")
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    """A constant rate, from some step on halved again and again.

    Computes `learning_rate * 0.5 ** max(0, floor((step - start) / every))`.

    Args:
        learning_rate: Positive float.
        start: Int, steps before the first interval.
        every: Positive int, steps between halvings.

    Example:
    >>> rate = Halving(1.0, 30000, 2000)
    >>> [float(rate(step)) for step in (31999, 32000, 34000)]
    [1.0, 0.5, 0.25]

    References:
        Wu et al. 2020, released code: each 2000 iterations once past 30000.
    """

    def __init__(self, learning_rate, start, every):
        super().__init__()
        self.learning_rate = learning_rate
        self.start = start
        self.every = every

    def __call__(self, step):
        """Gives the rate at `step`."""
        past = tf.cast(step, tf.float32) - self.start
        halvings = tf.maximum(tf.floor(past / self.every), 0.0)
        return self.learning_rate * tf.pow(0.5, halvings)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "start": self.start,
            "every": self.every,
        }
