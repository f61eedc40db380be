import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tfvae.distributions.sampling import sample, sample_and_log_prob
from tfvae.distributions.von_mises_fisher import SphericalUniform
from tfvae.seeds import as_seed, uniform

tfd = tfp.distributions
LOC = np.float32([[1.0, -2.0]])
FACTOR = np.float32([[2.0, 0.0], [-1.0, 0.5]])


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_gaussians(covariance):
    num = 20000
    if covariance == "full":
        distribution = tfd.MultivariateNormalTriL(LOC, FACTOR)
        expected = FACTOR @ FACTOR.T
    else:
        distribution = tfd.Independent(tfd.Normal(LOC, [[2.0, 0.5]]), 1)
        expected = np.diag([4.0, 0.25])
    z = sample(distribution, num, as_seed(0)).numpy()[:, 0]
    deviation = np.diag(expected) ** 0.5
    assert (abs(z.mean(0) - LOC[0]) < 4 * deviation / num**0.5).all()
    # The variance of a product of two normal coordinates.
    spread = np.outer(deviation, deviation) ** 2 + expected**2
    assert (abs(np.cov(z.T) - expected) < 4 * (spread / num) ** 0.5).all()


@pytest.mark.parametrize(
    ("make", "reference"),
    [
        (lambda loc, scale: tfd.StudentT(3.0, loc, scale), stats.t(3.0)),
        (tfd.Laplace, stats.laplace()),
        (tfd.Gumbel, stats.gumbel_r()),
        (tfd.Logistic, stats.logistic()),
    ],
    ids=["student", "laplace", "gumbel", "logistic"],
)
def test_others_invert_their_quantile(make, reference):
    loc, scale = np.float32([[1.0, -2.0]]), np.float32([[2.0, 0.5]])
    distribution = tfd.Independent(make(loc, scale), 1)
    z, log_prob = sample_and_log_prob(distribution, 500, as_seed(1))
    expected = loc + scale * reference.ppf(uniform([500, 1, 2], as_seed(1)))
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-4)
    density = reference.logpdf((z - loc) / scale) - np.log(scale)
    np.testing.assert_allclose(log_prob, density.sum(-1), rtol=1e-4, atol=1e-4)


def test_without_a_quantile_the_distribution_samples_itself():
    for distribution in (
        tfd.VectorDeterministic(LOC),
        tfd.Independent(tfd.Deterministic(LOC), 1),
    ):
        z = sample(distribution, 3, as_seed(0)).numpy()
        assert (z == np.broadcast_to(LOC, (3, 1, 2))).all()
    sphere = SphericalUniform(2, [1])
    z, log_prob = sample_and_log_prob(sphere, 3, as_seed(0))
    np.testing.assert_array_equal(z, sphere.sample(3, seed=as_seed(0)))
    np.testing.assert_allclose(log_prob, np.full((3, 1), -np.log(2 * np.pi)), rtol=1e-6)


def test_the_same_with_xla():
    def run(loc):
        scale = tf.ones_like(loc)
        diagonal = tfd.Independent(tfd.Normal(loc, scale), 1)
        full = tfd.MultivariateNormalTriL(loc, FACTOR)
        student = tfd.Independent(tfd.StudentT(5.0, loc, scale), 1)
        sphere = SphericalUniform(2, tf.shape(loc)[:1])
        all_of_them = (diagonal, full, student, sphere)
        return [sample(each, 3, as_seed(4)) for each in all_of_them]

    spec = tf.TensorSpec([None, 2])
    found = tf.function(run, input_signature=[spec], jit_compile=True)(LOC)
    for one, other in zip(found, run(tf.constant(LOC)), strict=True):
        assert one.shape == (3, 1, 2)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
