import numpy as np
import tensorflow as tf

from tfvae.distributions.polar_angle import log_sphere_area
from tfvae.distributions.spherical_uniform import SphericalUniform
from tfvae.seeds import as_seed


def test_density_of_samples_with_dynamic_shapes():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)], jit_compile=True)
    def draw(size):
        sphere = SphericalUniform(4, [size])
        return sphere.experimental_sample_and_log_prob(3, seed=as_seed(0))

    z, log_prob = draw(5)
    assert z.shape == (3, 5, 4)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(log_prob, np.full((3, 5), -log_sphere_area(4)))
    np.testing.assert_allclose(
        z, SphericalUniform(4, [5]).sample(3, seed=as_seed(0)), rtol=1e-4, atol=1e-6
    )


def test_moments():
    num, dim = 20000, 5
    z = SphericalUniform(dim).sample(num, seed=as_seed(0)).numpy()
    # A coordinate has variance 1 / dim and fourth moment 3 / (dim (dim + 2)).
    assert (abs(z.mean(0)) < 4 * (1 / dim / num) ** 0.5).all()
    spread = (3 / (dim * (dim + 2)) - 1 / dim**2) ** 0.5
    assert (abs((z**2).mean(0) - 1 / dim) < 4 * spread / num**0.5).all()
