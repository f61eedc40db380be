"""Skip-VAE (Dieng et al. 2019): the memory also feeds the vocabulary layer."""

import keras
import tensorflow as tf

from tfvae.decoders import RecurrentDecoder
from tfvae.objectives import KL, Reconstruction
from tfvae.presets import ModelBuilder


@keras.saving.register_keras_serializable("outside")
class SkipDecoder(RecurrentDecoder):
    """A recurrent decoder whose vocabulary layer reads state and memory."""

    def readout_dim(self, memory_dim):
        return super().readout_dim(memory_dim) + memory_dim

    def readout(self, hidden, memory, seed=None, training=False):
        hidden = super().readout(hidden, memory, seed, training)
        shape = tf.concat([tf.shape(hidden)[:-1], [memory.shape[-1]]], 0)
        return tf.concat([hidden, tf.broadcast_to(memory, shape)], -1)


def skip_vae(setting, data):
    builder = ModelBuilder(setting, data)
    objective = [Reconstruction(), KL(builder.annealing())]
    return builder.vae(objective, decoder=builder.decoder(SkipDecoder))
