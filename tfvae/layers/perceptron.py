"""A network of affine layers."""

import keras

from tfvae.layers.dense import dense


class Perceptron(keras.layers.Layer):
    """Affine layers with an activation between them, the last one linear.

    It is built by its owner, which saves how it was made.

    Args:
        input_dim: Positive int, the width of the input.
        hidden_dims: Sequence of positive ints, widths of the hidden layers.
        output_dim: Positive int, the width of the output.
        activation: Name of a Keras activation.
        initializer: Keras initializer, or `None` for PyTorch's.
        name: Str, the layer's name.

    Raises:
        ValueError: If a width is not positive.
    """

    def __init__(
        self,
        input_dim,
        hidden_dims,
        output_dim,
        *,
        activation="relu",
        initializer=None,
        name,
    ):
        super().__init__(name=name)
        if any(width < 1 for width in hidden_dims):
            raise ValueError(
                "`hidden_dims` must hold positive ints. "
                f"Received: hidden_dims={hidden_dims}"
            )
        widths = [input_dim, *hidden_dims, output_dim]
        self.hidden_layers = [
            dense(
                units,
                width,
                activation=None if index == len(hidden_dims) else activation,
                initializer=initializer,
                name=f"layer_{index}",
            )
            for index, (width, units) in enumerate(
                zip(widths[:-1], widths[1:], strict=True)
            )
        ]
        self.built = True

    def call(self, inputs):
        """Maps inputs `[..., input_dim]` to outputs `[..., output_dim]`."""
        for layer in self.hidden_layers:
            inputs = layer(inputs)
        return inputs
