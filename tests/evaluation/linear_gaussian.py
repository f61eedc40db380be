"""A VAE whose likelihood, bound and divergences are known in closed form."""

import numpy as np
import tensorflow as tf
from scipy import stats

from tfvae.decoders import Decoder
from tfvae.encoders import Encoder
from tfvae.latents import Gaussian, Implicit
from tfvae.models import VAE
from tfvae.objectives import Reconstruction

NUM_FEATURES = 3
LOADINGS = np.array([[1.0, 0.3], [-0.5, 0.8], [0.2, -0.6]])
OFFSET = np.array([0.1, -0.2, 0.3])
NOISE = 0.7
LATENT_DIM = LOADINGS.shape[1]
VOCABULARY_SIZE = 45


def features(tokens):
    """Maps token ids 4 to 44 of the first columns to numbers from -2 to 2."""
    return (tf.cast(tokens[:, :NUM_FEATURES], tf.float32) - 24.0) / 10.0


class FeatureEncoder(Encoder):
    """Reads the features."""

    code_dim = NUM_FEATURES
    vocabulary_size = VOCABULARY_SIZE

    def __init__(self):
        super().__init__()

    def call(self, tokens, seed=None, training=False):
        return features(tokens)


class GaussianDecoder(Decoder):
    """Scores sentences by `N(features; LOADINGS z + OFFSET, NOISE^2)`."""

    def __init__(self):
        super().__init__(VOCABULARY_SIZE, 1)

    def build(self, *, memory_dim):
        self.built = True

    def log_prob(self, tokens, memory, seed=None, training=False):
        loc = memory @ tf.constant(LOADINGS.T, tf.float32)
        errors = (features(tokens) - loc - tf.constant(OFFSET, tf.float32)) / NOISE
        constant = NUM_FEATURES * np.log(NOISE * np.sqrt(2 * np.pi))
        return -0.5 * tf.reduce_sum(errors**2, -1) - constant


def marginal():
    """Returns `p(x)`."""
    covariance = LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(NUM_FEATURES)
    return stats.multivariate_normal(OFFSET, covariance)


def true_posterior():
    """Returns the gain, the mean at zero features and the covariance of `p(z|x)`."""
    precision = np.eye(LATENT_DIM) + LOADINGS.T @ LOADINGS / NOISE**2
    covariance = np.linalg.inv(precision)
    gain = covariance @ LOADINGS.T / NOISE**2
    return gain, -gain @ OFFSET, covariance


def full_vae(shift=0.0):
    """Creates a VAE whose posterior is the true one, its mean moved by `shift`."""
    gain, bias, covariance = true_posterior()
    factor = np.linalg.cholesky(covariance)
    return _vae(
        "full",
        loc=(gain, bias + shift),
        log_variance=(0 * gain, 2 * np.log(np.diag(factor))),
        lower=(0 * gain[:1], factor[[1], [0]]),
    )


def diagonal_vae(scale=0.8):
    """Creates a VAE with the true mean and a wrong, diagonal covariance."""
    gain, bias, _ = true_posterior()
    log_variance = np.full(LATENT_DIM, 2 * np.log(scale))
    return _vae("diagonal", loc=(gain, bias), log_variance=(0 * gain, log_variance))


def implicit_vae(*more_terms, shift=0.0, layers=False):
    """Creates a VAE with the posterior of `full_vae`, by a network of code and noise.

    With `layers` each number goes through two ReLUs, `x = relu(x) - relu(-x)`, so that
    nothing of the network says that its codes are Gaussian.
    """
    gain, bias, covariance = true_posterior()
    of_code, of_noise = gain.T, np.linalg.cholesky(covariance).T
    bias = bias + shift
    posterior = Implicit(LATENT_DIM, hidden_dims=(2 * LATENT_DIM,) if layers else ())
    objective = [Reconstruction(), *more_terms]
    model = VAE(FeatureEncoder(), posterior, GaussianDecoder(), objective=objective)
    if layers:
        of_code, of_noise, bias = (
            np.concatenate([each, -each], -1) for each in (of_code, of_noise, bias)
        )
        identity = np.eye(LATENT_DIM)
        posterior.rest.set_weights(
            [np.concatenate([identity, -identity]), np.zeros(LATENT_DIM)]
        )
    posterior.of_code.set_weights([of_code, bias])
    posterior.of_noise.set_weights([of_noise])
    return model


def gaussian_kl(loc, covariance, other_loc, other_covariance):
    """Computes `KL(N(loc, covariance) || N(other_loc, other_covariance))`."""
    precision = np.linalg.inv(other_covariance)
    difference = other_loc - loc
    return 0.5 * (
        np.trace(precision @ covariance)
        + difference @ precision @ difference
        - len(loc)
        + np.linalg.slogdet(other_covariance)[1]
        - np.linalg.slogdet(covariance)[1]
    )


def random_tokens(num, seed=0, num_columns=NUM_FEATURES + 1):
    """Samples token ids 4 to 44, int32 `[num, num_columns]`."""
    rng = np.random.default_rng(seed)
    return rng.integers(4, VOCABULARY_SIZE, (num, num_columns)).astype("int32")


def _vae(covariance, **heads):
    model = VAE(
        FeatureEncoder(), Gaussian(LATENT_DIM, covariance=covariance), GaussianDecoder()
    )
    for name, (kernel, bias) in heads.items():
        head = model.posterior.heads[name]
        head.kernel.assign(np.transpose(kernel))
        head.bias.assign(bias)
    return model
