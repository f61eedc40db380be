"""Some gradients of matrices compile at known sizes only; batches have unknown ones."""

import numpy as np
import pytest
import tensorflow as tf

from tfvae.latents import Gaussian, GaussianCopula
from tfvae.seeds import as_seed


@pytest.mark.parametrize(
    "make",
    [lambda: Gaussian(3, covariance="full"), lambda: GaussianCopula(3)],
    ids=["full", "copula"],
)
def test_gradients_compile_at_an_unknown_batch_size(make, rng):
    latent = make()
    latent.build((None, 4))

    def gradient(code):
        with tf.GradientTape() as tape:
            tape.watch(code)
            z, log_q = latent.sample(latent(code), 2, as_seed(1))
            total = tf.reduce_sum(z**2) + tf.reduce_sum(log_q)
        return tape.gradient(total, code)

    signature = [tf.TensorSpec([None, 4], tf.float32)]
    compiled = tf.function(gradient, input_signature=signature, jit_compile=True)
    code = tf.constant(rng.normal(size=(5, 4)), tf.float32)
    np.testing.assert_allclose(compiled(code), gradient(code), rtol=1e-3, atol=1e-4)
