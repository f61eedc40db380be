"""A residual block of a causal convolutional network."""

import keras
import tensorflow as tf

from tfvae.kernels.convolution import causal_convolution
from tfvae.layers.dense import dense

# PyTorch's; Keras has 1e-3.
_EPSILON = 1e-5


class CausalBlock(keras.layers.Layer):
    """Adds to its input what a dilated convolution of the past makes of it.

    Computes `x + c(b(a(x)))`, each of the three a convolution, a layer normalisation
    of every position by itself and a ReLU: `a` and `c` of kernel size 1, `b` dilated.

    It is built by its owner, which saves how it was made. The convolution over the
    past is available for whole sequences and step by step: between steps, the last
    `window` inputs of `b` are kept.

    Args:
        num_filters: Positive int `F`, width of input, output and between.
        kernel_size: Int `K`, at least 2.
        dilation: Positive int.
        initializer: Keras initializer, or `None` for PyTorch's.
        name: Str, the layer's name.

    Attributes:
        window: Int, steps before the present that the convolution reaches.

    References:
        Yang et al. 2017, section 3.2 and figure 2. Normalisation is over a position's
        filters; theirs, over the batch, is over all its positions, so that a word
        would be scored with statistics of words after it and of the padding.
    """

    def __init__(self, num_filters, kernel_size, dilation, *, initializer=None, name):
        super().__init__(name=name)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.window = (kernel_size - 1) * dilation

        def layer(name, width):
            return dense(num_filters, width, initializer=initializer, name=name)

        def norm(name):
            made = _PositionNorm(epsilon=_EPSILON, name=name)
            made.build((None, num_filters))
            return made

        self.first = layer("first", num_filters)
        # Its rows are the kernel's entries, the earliest step's on top.
        self.past = layer("past", kernel_size * num_filters)
        self.last = layer("last", num_filters)
        self.first_norm = norm("first_norm")
        self.past_norm = norm("past_norm")
        self.last_norm = norm("last_norm")
        self.built = True

    def call(self, inputs):
        """Maps inputs `[T, N, F]`, time-major, to outputs `[T, N, F]`."""
        values = tf.nn.relu(self.first_norm(self.first(inputs)))
        kernel = tf.cast(self.past.kernel.value, values.dtype)
        kernel = tf.reshape(kernel, [self.kernel_size, -1, values.shape[-1]])
        mixed = causal_convolution(values, kernel, self.dilation)
        mixed += tf.cast(self.past.bias.value, values.dtype)
        return self._end(inputs, mixed)

    def initial_state(self, batch_size):
        """Gives the window before the first step, zeros `[N, window, F]`."""
        shape = [batch_size, self.window, self.first.units]
        return tf.zeros(shape, self.compute_dtype)

    def step(self, inputs, state):
        """Advances inputs `[N, F]` by one step; gives outputs and the next window."""
        values = tf.nn.relu(self.first_norm(self.first(inputs)))
        state = tf.concat([state, values[:, None]], 1)
        reached = state[:, :: self.dilation]
        reached = tf.reshape(reached, [-1, self.kernel_size * values.shape[-1]])
        return self._end(inputs, self.past(reached)), state[:, 1:]

    def _end(self, inputs, mixed):
        """Goes from the convolution of the past to the block's output."""
        values = tf.nn.relu(self.past_norm(mixed))
        return inputs + tf.nn.relu(self.last_norm(self.last(values)))


class _PositionNorm(keras.layers.LayerNormalization):
    """Keras' layer with the sums over filters done as products.

    On a CPU under XLA those take a third of the time of reductions over the last
    axis and their gradients.
    """

    def call(self, inputs):
        values = tf.cast(inputs, tf.float32)
        num_filters = inputs.shape[-1]
        average = tf.fill([num_filters, 1], 1.0 / num_filters)
        values -= tf.tensordot(values, average, 1)
        variance = tf.tensordot(tf.square(values), average, 1)
        values *= tf.math.rsqrt(variance + self.epsilon)
        values *= tf.cast(self.gamma.value, tf.float32)
        values += tf.cast(self.beta.value, tf.float32)
        return tf.cast(values, inputs.dtype)
