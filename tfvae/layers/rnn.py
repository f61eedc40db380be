"""A recurrent layer whose input projection is a call of its own."""

import keras
import tensorflow as tf

from tfvae.layers.component import Component
from tfvae.ops.recurrence import gru, gru_step, lstm, lstm_step

_NUM_GATES = {"lstm": 4, "gru": 3}


@keras.saving.register_keras_serializable("tfvae")
class RNN(Component):
    """A GRU or LSTM over time-major sequences without masks.

    Padding is on the right, so a state at a sentence's true length never depends on
    it: callers gather that state or mask the outputs. Projecting the inputs is a call
    of its own, because decoders project each word once for all samples of the latent.

    Weights are initialised as in PyTorch, uniform in `+-1/sqrt(hidden_dim)`, biases
    included. Keras has Glorot kernels, orthogonal recurrent kernels and a forget bias
    of one, which changes early training and with it how soon a posterior collapses.

    Args:
        hidden_dim: Positive int, the width `H` of the state.
        cell: `"lstm"` or `"gru"` (reset gate after the product). Defaults to
            `"lstm"`.
        initializer: Keras initializer of all weights, or `None` for the above.

    Raises:
        ValueError: If `cell` is unknown or `hidden_dim` is not positive.
    """

    def __init__(
        self, hidden_dim, cell="lstm", initializer=None, *, name=None, dtype=None
    ):
        super().__init__(name=name, dtype=dtype)
        if cell not in _NUM_GATES:
            raise ValueError(
                f"`cell` must be one of {sorted(_NUM_GATES)}. Received: cell={cell!r}"
            )
        if hidden_dim < 1:
            raise ValueError(
                f"`hidden_dim` must be positive. Received: hidden_dim={hidden_dim}"
            )
        self.hidden_dim = hidden_dim
        self.cell = cell
        self.initializer = keras.initializers.get(initializer)

    def build(self, *, input_dim):
        """Creates the weights for inputs of width `input_dim`."""
        width = _NUM_GATES[self.cell] * self.hidden_dim
        initializer = self.initializer or uniform_by_width(self.hidden_dim)

        def weight(name, shape):
            # A copy each: an initializer with a seed would fill them alike.
            copy = initializer.clone()
            return self.add_weight(name=name, shape=shape, initializer=copy)

        self.kernel = weight("kernel", (input_dim, width))
        self.recurrent_kernel = weight("recurrent_kernel", (self.hidden_dim, width))
        self.bias = weight("bias", (width,))
        # A second bias acts on its own only inside the GRU's reset gate.
        self.recurrent_bias = (
            weight("recurrent_bias", (width,)) if self.cell == "gru" else None
        )
        self.built = True

    def project(self, inputs):
        """Projects inputs `[..., D]` onto the gates `[..., G * H]`."""
        kernel, bias = self._cast(self.kernel), self._cast(self.bias)
        return tf.tensordot(tf.cast(inputs, kernel.dtype), kernel, 1) + bias

    def initial_state(self, batch_size):
        """Returns the zero state, a tuple of float tensors `[N, H]`."""
        zeros = tf.zeros([batch_size, self.hidden_dim], self.compute_dtype)
        return (zeros, zeros) if self.cell == "lstm" else (zeros,)

    def advance(self, projected, state):
        """Runs one step.

        Args:
            projected: Float tensor `[N, G * H]` from `project`.
            state: Tuple of float tensors `[N, H]`, see `unroll`.

        Returns:
            The next state, a tuple like `state`.
        """
        kernel = self._cast(self.recurrent_kernel)
        state = tuple(tf.cast(values, kernel.dtype) for values in state)
        if self.cell == "lstm":
            return lstm_step(projected, *state, kernel)[:2]
        return gru_step(projected, *state, kernel, self._cast(self.recurrent_bias))[:1]

    def unroll(self, projected, state):
        """Runs over time.

        Args:
            projected: Float tensor `[T, N, G * H]` from `project`.
            state: Tuple of float tensors `[N, H]`: state, and memory cell of an LSTM.

        Returns:
            Tuple of float tensors `[T, N, H]`, aligned with `state`.
        """
        kernel = self._cast(self.recurrent_kernel)
        state = tuple(tf.cast(values, kernel.dtype) for values in state)
        if self.cell == "lstm":
            return lstm(projected, *state, kernel)
        return (gru(projected, *state, kernel, self._cast(self.recurrent_bias)),)

    def _cast(self, weight):
        """Returns a weight in the compute type; Keras casts within `call` alone."""
        return tf.cast(weight.value, self.compute_dtype)

    def call(self, inputs):
        """Maps inputs `[T, N, D]` to states `[T, N, H]` from the zero state."""
        projected = self.project(inputs)
        return self.unroll(projected, self.initial_state(tf.shape(inputs)[1]))[0]


def uniform_by_width(width):
    """Returns PyTorch's initializer, uniform in `+-1/sqrt(width)`."""
    # A width of 0 leaves a bias to fill.
    limit = max(width, 1) ** -0.5
    return keras.initializers.RandomUniform(-limit, limit)
