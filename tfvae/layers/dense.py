"""Affine maps that start as PyTorch's `Linear` does."""

import keras
import tensorflow as tf

from tfvae.layers.recurrence import uniform_by_width


def dense(units, input_dim, *, activation=None, use_bias=True, initializer=None, name):
    """Makes a built `Dense` layer with weights and bias in `+-1/sqrt(input_dim)`.

    Args:
        units: Positive int, width of the output.
        input_dim: Int, width of the input. At 0, an unconditional prior's code, the
            layer is its bias alone.
        activation: Name of a Keras activation, or `None`.
        use_bias: Whether to add a bias. Defaults to `True`.
        initializer: Keras initializer of kernel and bias, or `None` for the above.
        name: Str, the layer's name.

    Returns:
        A built `keras.layers.Dense`, or a layer with a bias only.

    Raises:
        ValueError: If `input_dim` is 0 and there is to be no bias.
    """
    initializer = keras.initializers.get(initializer) or uniform_by_width(input_dim)
    if input_dim == 0:
        if not use_bias:
            raise ValueError(
                "A map of nothing without a bias has no weights. Use "
                "`use_bias=True`. Received: input_dim=0, use_bias=False"
            )
        layer = _Bias(units, activation, initializer.clone(), name=name)
        layer.build((None, 0))
        return layer
    layer = keras.layers.Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=initializer.clone(),
        bias_initializer=initializer.clone(),
        name=name,
    )
    layer.build((None, input_dim))
    return layer


class _Bias(keras.layers.Layer):
    """What is left of an affine map of inputs `[..., 0]`.

    In a graph, oneDNN ends the whole process on a product over no columns.
    """

    def __init__(self, units, activation, initializer, *, name):
        super().__init__(name=name)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.initializer = initializer

    def build(self, input_shape):
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer=self.initializer
        )
        self.built = True

    def call(self, inputs):
        shape = tf.concat([tf.shape(inputs)[:-1], [self.units]], 0)
        return self.activation(tf.broadcast_to(self.bias.value, shape))
