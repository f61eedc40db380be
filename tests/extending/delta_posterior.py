"""Delta-VAE (Razavi et al. 2019): a posterior that cannot go below a rate."""

import keras
import tensorflow as tf
from scipy.optimize import brentq

from tfvae.latents import Gaussian
from tfvae.objectives import KL, Reconstruction
from tfvae.presets import ModelBuilder


@keras.saving.register_keras_serializable("outside")
class DeltaGaussian(Gaussian):
    """A Gaussian whose divergence from N(0, 1) is at least `rate` nats a dimension.

    Variances are below the one at which a zero mean has that divergence.
    """

    def __init__(self, latent_dim, rate=0.2, *, name=None, dtype=None):
        super().__init__(latent_dim, name=name, dtype=dtype)
        self.rate = rate
        self.largest = brentq(lambda v: 0.5 * (tf.exp(v) - 1 - v) - rate, -50, 0)

    def call(self, code, training=False):
        params = super().call(code, training=training)
        params["log_variance"] = self.largest - tf.nn.softplus(params["log_variance"])
        return params


def delta_vae(setting, data):
    builder = ModelBuilder(setting, data)
    posterior = DeltaGaussian(builder.setting.latent_dim)
    return builder.vae([Reconstruction(), KL(builder.annealing())], posterior=posterior)
