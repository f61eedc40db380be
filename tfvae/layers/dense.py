"""Dense layers, MLPs, norms and embeddings that are initialised as in PyTorch."""

import itertools

import keras
import tensorflow as tf

from tfvae.layers.rnn import uniform_by_width


def dense(units, input_dim, *, activation=None, use_bias=True, initializer=None, name):
    """Creates a built `Dense` layer with weights and bias in `+-1/sqrt(input_dim)`.

    Args:
        units: Positive int, width of the output.
        input_dim: Int, width of the input. At 0, the code of an unconditional prior,
            the layer is its bias alone.
        activation: Name of a Keras activation, or `None`.
        use_bias: Whether to add a bias. Defaults to `True`.
        initializer: Keras initializer of kernel and bias, or `None` for the above.
        name: Str, the layer's name.

    Returns:
        A built `keras.layers.Dense`, or a built layer with a bias only.

    Raises:
        ValueError: If `input_dim` is 0 and `use_bias` is false.
    """
    initializer = keras.initializers.get(initializer) or uniform_by_width(input_dim)
    if input_dim == 0:
        if not use_bias:
            raise ValueError(
                "A layer of inputs of width 0 has no weights without a bias. Use "
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
    """An affine map of inputs `[..., 0]`, which is its bias.

    In a graph, oneDNN aborts the whole process on a matrix product over no columns.
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


class MLP(keras.layers.Layer):
    """A multilayer perceptron: affine layers, an activation after all but the last.

    Built at once; its owner saves its arguments.

    Args:
        input_dim: Int, the width of the input.
        hidden_dims: Sequence of positive ints, widths of the hidden layers.
        output_dim: Positive int, the width of the output; or `None` for that of the
            last hidden layer, whose activation is then the output.
        activation: Name of a Keras activation.
        batch_normalization: Whether hidden layers are batch normalised before their
            activation, for inputs `[B, input_dim]`. Defaults to `False`.
        output_bias: Whether the last layer has a bias. Defaults to `True`.
        initializer: Keras initializer, or `None` for PyTorch's.
        name: Str, the layer's name.

    Raises:
        ValueError: If a width is not positive.
    """

    def __init__(
        self,
        input_dim,
        hidden_dims,
        output_dim=None,
        *,
        activation="relu",
        batch_normalization=False,
        output_bias=True,
        initializer=None,
        name,
    ):
        super().__init__(name=name)
        require_hidden_dims(hidden_dims)
        widths = [input_dim, *hidden_dims]
        if output_dim is not None:
            widths.append(output_dim)
        self.activation = keras.activations.get(activation)
        self.num_hidden = len(hidden_dims)
        self.hidden_layers = [
            dense(
                units,
                width,
                use_bias=output_bias or index < len(hidden_dims),
                initializer=initializer,
                name=f"layer_{index}",
            )
            for index, (width, units) in enumerate(itertools.pairwise(widths))
        ]
        self.norms = []
        if batch_normalization:
            self.norms = [
                batch_norm(width, f"norm_{index}")
                for index, width in enumerate(hidden_dims)
            ]
        self.built = True

    def call(self, inputs, training=False):
        """Maps inputs `[..., input_dim]` to outputs `[..., output_dim]`."""
        for index, layer in enumerate(self.hidden_layers):
            inputs = layer(inputs)
            if index == self.num_hidden:
                break
            if self.norms:
                inputs = self.norms[index](inputs, training=training)
            inputs = self.activation(inputs)
        return inputs


def require_hidden_dims(hidden_dims):
    """Refuses widths that are not positive, for constructors."""
    if any(width < 1 for width in hidden_dims):
        raise ValueError(
            "`hidden_dims` must hold positive ints. "
            f"Received: hidden_dims={hidden_dims}"
        )


def batch_norm(width, name, **options):
    """Creates a built batch normalisation with PyTorch's momentum and epsilon.

    Args:
        width: Positive int, the width of what it normalises.
        name: Str, the layer's name.
        **options: Arguments of `keras.layers.BatchNormalization` in place of those or
            beside them.

    Returns:
        A `keras.layers.BatchNormalization`.
    """
    options = {"momentum": 0.9, "epsilon": 1e-5, **options}
    norm = keras.layers.BatchNormalization(name=name, **options)
    norm.build((None, width))
    return norm


def make_embedding(vocabulary_size, embedding_dim, initializer=None):
    """Creates the layer that maps word ids to vectors, not built.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int.
        initializer: Keras initializer, or `None` for a standard normal.

    Returns:
        `keras.layers.Embedding` named `"embedding"`.
    """
    return keras.layers.Embedding(
        vocabulary_size,
        embedding_dim,
        embeddings_initializer=initializer or keras.initializers.RandomNormal(0.0, 1.0),
        name="embedding",
    )
