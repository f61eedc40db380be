"""The optimizer of the settings and a decay of its rate."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tfvae")
class Adam(keras.optimizers.Adam):
    """Keras's Adam in few passes over the weights.

    The arithmetic is that of `keras.optimizers.Adam`, which outside XLA passes over a
    weight, its gradient and both moments a dozen times and makes a temporary each time.
    Here an update is one kernel of TensorFlow, and so is a bound of a gradient's values
    or its squared norm.

    Args:
        *args: See `keras.optimizers.Adam`.
        **options: See `keras.optimizers.Adam`.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its moments in place; see the base class."""
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        step = tf.cast(self.iterations.value + 1, dtype)
        place = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[place]),
            v=_handle(self._velocities[place]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def _clip_gradients(self, grads):
        """Bounds the gradients; see the base class, which calls it."""
        if self.global_clipnorm:
            return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]
        if self.clipvalue:
            return [None if g is None else self._clipped(g) for g in grads]
        return super()._clip_gradients(grads)

    def _clipped(self, gradient):
        bound = tf.cast(self.clipvalue, gradient.dtype)
        return tf.raw_ops.ClipByValue(
            t=gradient, clip_value_min=-bound, clip_value_max=bound
        )


def _handle(variable):
    """Returns what TensorFlow's kernels know a variable by."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle


@keras.saving.register_keras_serializable("tfvae")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate that from some step on is halved again and again.

    Computes `learning_rate * 0.5 ** max(0, floor((step - start) / every))`.

    Args:
        learning_rate: Positive float.
        start: Int, steps before the first interval.
        every: Positive int, steps between halvings.

    Example:
    >>> rate = StepDecay(1.0, 30000, 2000)
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
        """Returns the rate at `step`."""
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
