import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfvae.latents import StandardNormal
from tfvae.seeds import as_seed


@pytest.fixture
def prior():
    latent = StandardNormal(3)
    latent.build((None, 0))
    return latent


def test_density(prior, rng):
    z = rng.normal(size=(4, 3)).astype("float32")
    params = prior(tf.zeros([4, 0]))
    found = prior.distribution(params).log_prob(z)
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(z)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_samples(prior):
    num = 20000
    z, log_q = prior.sample(prior(tf.zeros([1, 0])), num, as_seed(0))
    values = z.numpy()[:, 0]
    assert (abs(values.mean(0)) < 4 / num**0.5).all()
    assert (abs(values.var(0) - 1.0) < 4 * (2 / num) ** 0.5).all()
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(values)
    np.testing.assert_allclose(log_q[:, 0], expected, rtol=1e-4)


def test_point_is_the_origin_and_nothing_is_learned(prior):
    assert (prior.point(prior(tf.ones([2, 5]))).numpy() == np.zeros((2, 3))).all()
    assert prior.weights == []
    assert prior.has_density


def test_errors():
    with pytest.raises(ValueError, match="`latent_dim` must be positive.*-1"):
        StandardNormal(-1)
