"""A recurrent layer whose input projection is a call of its own."""

import keras
import tensorflow as tf

from tfvae.checks import require, require_one_of
from tfvae.layers.component import Component
from tfvae.ops.recurrence import (
    gru,
    gru_step,
    layer_norm_lstm,
    layer_norm_lstm_step,
    lstm,
    lstm_step,
)

# The number of gates, the layer over time and one step of it.
_CELLS = {
    "lstm": (4, lstm, lstm_step),
    "layer_norm_lstm": (4, layer_norm_lstm, layer_norm_lstm_step),
    "gru": (3, gru, gru_step),
}


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
        cell: `"lstm"`, `"layer_norm_lstm"` (gates and memory cell normalised, forget
            gates begin with a bias of 1, the others with none) or `"gru"` (reset gate
            after the product). Defaults to `"lstm"`.
        initializer: Keras initializer of all weights, or `None` for the above.

    Raises:
        ValueError: If `cell` is unknown or `hidden_dim` is not positive.
    """

    def __init__(
        self, hidden_dim, cell="lstm", initializer=None, *, name=None, dtype=None
    ):
        super().__init__(name=name, dtype=dtype)
        require_one_of("cell", cell, sorted(_CELLS))
        require("hidden_dim", hidden_dim, hidden_dim >= 1, "positive")
        self.hidden_dim = hidden_dim
        self.cell = cell
        self.initializer = keras.initializers.get(initializer)
        self._num_gates, self._layer, self._step = _CELLS[cell]

    def build(self, *, input_dim):
        """Creates the weights for inputs of width `input_dim`."""
        width = self._num_gates * self.hidden_dim
        initializer = self.initializer or uniform_by_width(self.hidden_dim)

        def weight(name, shape):
            # A copy each: an initializer with a seed would fill them alike.
            copy = initializer.clone()
            return self.add_weight(name=name, shape=shape, initializer=copy)

        self.kernel = weight("kernel", (input_dim, width))
        self.recurrent_kernel = weight("recurrent_kernel", (self.hidden_dim, width))
        if self.cell == "layer_norm_lstm":
            # Of four gates and the memory cell.
            shape = (width + self.hidden_dim,)
            self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
            self.bias = self.add_weight(
                name="bias", shape=shape, initializer=_forget_bias
            )
        else:
            self.bias = weight("bias", (width,))
        # A second bias acts on its own only inside the GRU's reset gate.
        if self.cell == "gru":
            self.recurrent_bias = weight("recurrent_bias", (width,))
        self.built = True

    def project(self, inputs):
        """Projects inputs `[..., D]` onto the gates `[..., G * H]`."""
        kernel = self._cast(self.kernel)
        projected = tf.tensordot(tf.cast(inputs, kernel.dtype), kernel, 1)
        if self.cell == "layer_norm_lstm":
            # What it would add is taken out by the norm of the gates.
            return projected
        return projected + self._cast(self.bias)

    def initial_state(self, batch_size):
        """Returns the zero state, a tuple of float tensors `[N, H]`."""
        zeros = tf.zeros([batch_size, self.hidden_dim], self.compute_dtype)
        return (zeros,) if self.cell == "gru" else (zeros, zeros)

    def advance(self, projected, state):
        """Runs one step.

        Args:
            projected: Float tensor `[N, G * H]` from `project`.
            state: Tuple of float tensors `[N, H]`, see `unroll`.

        Returns:
            The next state, a tuple like `state`.
        """
        # What the gradient of a whole layer reads comes after the state.
        return self._step(projected, *self._arguments(state))[: len(state)]

    def unroll(self, projected, state):
        """Runs over time.

        Args:
            projected: Float tensor `[T, N, G * H]` from `project`.
            state: Tuple of float tensors `[N, H]`: state, and memory cell of an LSTM.

        Returns:
            Tuple of float tensors `[T, N, H]`, aligned with `state`.
        """
        found = self._layer(projected, *self._arguments(state))
        return (found,) if self.cell == "gru" else found

    def _arguments(self, state):
        """Returns what a layer reads beside its projected inputs, in the compute type.

        Keras casts weights within `call` alone.
        """
        weights = [self.recurrent_kernel]
        if self.cell == "layer_norm_lstm":
            weights += [self.scale, self.bias]
        elif self.cell == "gru":
            weights += [self.recurrent_bias]
        states = [tf.cast(values, self.compute_dtype) for values in state]
        return [*states, *map(self._cast, weights)]

    def _cast(self, weight):
        return tf.cast(weight.value, self.compute_dtype)

    def call(self, inputs):
        """Maps inputs `[T, N, D]` to states `[T, N, H]` from the zero state."""
        projected = self.project(inputs)
        return self.unroll(projected, self.initial_state(tf.shape(inputs)[1]))[0]


def _forget_bias(shape, dtype=None):
    """Returns 1 for the forget gates, the second of five parts, and 0 elsewhere."""
    width = shape[0] // 5
    return tf.concat([tf.zeros([width]), tf.ones([width]), tf.zeros([3 * width])], 0)


def uniform_by_width(width):
    """Returns PyTorch's initializer, uniform in `+-1/sqrt(width)`."""
    # A width of 0 leaves a bias to fill.
    limit = max(width, 1) ** -0.5
    return keras.initializers.RandomUniform(-limit, limit)
