"""What Keras asks of a model that is assembled from parts."""

import keras
import tensorflow as tf

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

    def export(self, filepath, format="tf_saved_model", *, verbose=False):
        """Writes a SavedModel of what `predict` gives for token ids.

        Its endpoint `serve` takes `tokens`, int32 `[B, T]`. For signatures on text,
        which encode, decode and generate, use `tfvae.serving.export`.

        Args:
            filepath: Path of the folder to write.
            format: `"tf_saved_model"`.
            verbose: Whether Keras prints the endpoints. Defaults to `False`.

        Raises:
            ValueError: If another format is asked for.
        """
        if format != "tf_saved_model":
            raise ValueError(
                "`format` must be 'tf_saved_model', the one that has all operations "
                f"of a text model. Received: format={format!r}"
            )
        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint(
            "serve",
            lambda tokens: self.predict_step({"tokens": tokens}),
            [tf.TensorSpec([None, None], tf.int32, name="tokens")],
        )
        archive.write_out(filepath, verbose=verbose)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: all is built, and batches of replicas have no mean."""
