"""A prior with heavy tails."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.latents import Latent
from tfvae.objectives import KL, Reconstruction
from tfvae.presets import ModelBuilder

tfd = tfp.distributions


@keras.saving.register_keras_serializable("outside")
class StudentT(Latent):
    """Independent Student-t dimensions, whatever the code."""

    def __init__(self, latent_dim, df=5.0, *, name=None, dtype=None):
        super().__init__(latent_dim, name=name, dtype=dtype)
        self.df = df

    def call(self, code, training=False):
        return {"loc": tf.zeros([tf.shape(code)[0], self.latent_dim])}

    def distribution(self, params):
        return tfd.Independent(tfd.StudentT(self.df, params["loc"], 1.0), 1)

    def mode(self, params):
        return params["loc"]


def student_t_vae(setting, data):
    builder = ModelBuilder(setting, data)
    prior = StudentT(builder.setting.latent_dim)
    return builder.vae([Reconstruction(), KL(builder.annealing())], prior=prior)
