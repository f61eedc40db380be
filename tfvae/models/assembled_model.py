"""What Keras asks of a model that is assembled from parts."""

import keras

from tfvae.kernels.replicas import num_replicas
from tfvae.layers.part import config_of, from_config


class AssembledModel(keras.Model):
    """A model whose constructor stores its arguments and builds everything."""

    def get_config(self):
        """Returns the constructor's arguments."""
        return config_of(self)

    @classmethod
    def from_config(cls, config):
        """Makes the model again from `get_config`."""
        return from_config(cls, config)

    def get_compile_config(self):
        """Returns what `compile` received, for saving; `None` before `compile`."""
        if not self.compiled:
            return None
        return {
            "optimizer": keras.optimizers.serialize(self.optimizer),
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        """Compiles as saved, but without XLA where replicas train together."""
        optimizer = keras.optimizers.deserialize(config["optimizer"])
        jit_compile = config["jit_compile"] and num_replicas() == 1
        self.compile(optimizer, jit_compile=jit_compile)

    def export(self, filepath, *args, **options):
        """Refuses, since a text model has several signatures.

        Raises:
            ValueError: Always; it names what to use.
        """
        raise ValueError(
            "A text model is not one function of its inputs: `export` has nothing to "
            "write. Use `tfvae export`, or `tfvae.serving`, for signatures that "
            "encode, decode and generate, or `save` for a `.keras` file. Received: "
            f"{filepath}"
        )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: all is built, and batches of replicas have no mean."""
