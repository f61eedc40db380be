import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import make_encoder
from tfvae.latents import Implicit, PlanarFlow, VonMisesFisher
from tfvae.seeds import fold_in, uniform
from tfvae.serving.rows import RowSampler, draw_codes, draw_noise

SEEDS = np.array([[1, 2], [3, 4], [-5, 6]], np.int32)


@pytest.mark.parametrize("kind", [Implicit, PlanarFlow, VonMisesFisher])
def test_codes_are_those_of_a_row_alone(kind):
    keras.utils.set_random_seed(0)
    latent = kind(3)
    latent.build((None, make_encoder().code_dim))
    params = latent(tf.random.stateless_normal([3, 4], [1, 1]))
    z, log_q = tf.function(draw_codes, autograph=False)(latent, params, SEEDS, 6, 5)
    for row, seed in enumerate(SEEDS):
        alone = {name: value[row : row + 1] for name, value in params.items()}
        wanted, density = latent.sample(alone, 5, fold_in(seed, 6))
        np.testing.assert_allclose(z[:, row], wanted[:, 0], 1e-5, 1e-6)
        if density is None:
            assert log_q is None
        else:
            np.testing.assert_allclose(log_q[:, row], density[:, 0], 1e-5, 1e-5)


def test_noise_is_that_of_a_row_alone():
    noise = draw_noise(SEEDS, 7, 4)
    for row, seed in enumerate(SEEDS):
        np.testing.assert_array_equal(noise[row], uniform([4, 2], fold_in(seed, 7)))


def test_temperature_is_a_rows_own():
    logits = tf.math.log([[0.1, 0.6, 0.3]] * 4)
    sampler = RowSampler(tf.constant([0.0, -1.0, 1.0, np.nan]))
    noise = np.full([4, 2, 2], 0.05, np.float32)
    noise = sampler.noise(noise, 1, 4)
    assert sampler.choose(logits, noise).numpy().tolist() == [1, 1, 0, 1]
    assert sampler.temperature.numpy().tolist() == [1.0, 1.0, 1.0, 1.0]
