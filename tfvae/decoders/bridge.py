"""The map from latent codes to the decoder's memory."""

import keras
import tensorflow as tf

from tfvae.layers.component import Component
from tfvae.layers.dense import dense


@keras.saving.register_keras_serializable("tfvae")
class Bridge(Component):
    """Turns latent codes, and a context when there is one, into the decoder's memory.

    Without `hidden_dims` the memory is the latent itself (with the context appended).
    With them it is an MLP of the latent, ReLU between linear layers, plus an affine
    map of the context: Coupled-VAE's decoding signal.

    Args:
        hidden_dims: Tuple of positive ints, widths of the layers; the last one is
            that of the memory. Defaults to `()`.

    Attributes:
        memory_dim: Int `U`, known after `build`.

    Raises:
        ValueError: If a width is not positive.

    References:
        Wu et al. 2020, section 3 (`h = Trans(z)`); the released code uses
        `(200, 200)`.
    """

    def __init__(self, hidden_dims=(), *, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        if any(width < 1 for width in hidden_dims):
            raise ValueError(
                "`hidden_dims` must hold positive ints. "
                f"Received: hidden_dims={hidden_dims}"
            )
        self.hidden_dims = tuple(hidden_dims)

    def build(self, *, latent_dim, context_dim=None):
        """Creates the weights for latents `[..., Z]` and contexts `[..., K]`."""
        self.hidden_layers = []
        width = latent_dim
        for index, units in enumerate(self.hidden_dims):
            last = index == len(self.hidden_dims) - 1
            activation = None if last else "relu"
            name = f"layer_{index}"
            layer = dense(units, width, activation=activation, name=name)
            self.hidden_layers.append(layer)
            width = units
        self.context_layer = None
        if context_dim is not None and self.hidden_dims:
            self.context_layer = dense(width, context_dim, name="context")
        elif context_dim is not None:
            width += context_dim
        self.memory_dim = width
        self.built = True

    def call(self, z, context=None):
        """Maps latents `[S, B, Z]` and contexts `[B, K]` to memory `[S, B, U]`."""
        memory = tf.cast(z, self.compute_dtype)
        for layer in self.hidden_layers:
            memory = layer(memory)
        if context is None:
            return memory
        if self.context_layer is not None:
            return memory + self.context_layer(context)
        context = tf.broadcast_to(
            context, tf.concat([tf.shape(memory)[:-1], [context.shape[-1]]], 0)
        )
        return tf.concat([memory, context], -1)
