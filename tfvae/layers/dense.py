"""Affine maps that start as PyTorch's `Linear` does."""

import keras

from tfvae.layers.recurrence import uniform_by_width


def dense(units, input_dim, *, activation=None, use_bias=True, initializer=None, name):
    """Makes a built `Dense` layer with weights and bias in `+-1/sqrt(input_dim)`.

    Args:
        units: Positive int, width of the output.
        input_dim: Positive int, width of the input.
        activation: Name of a Keras activation, or `None`.
        use_bias: Whether to add a bias. Defaults to `True`.
        initializer: Keras initializer of kernel and bias, or `None` for the above.
        name: Str, the layer's name.

    Returns:
        A built `keras.layers.Dense`.
    """
    initializer = keras.initializers.get(initializer) or uniform_by_width(input_dim)
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
