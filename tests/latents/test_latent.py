import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tfvae.latents import Gaussian, GaussianCopula, Latent
from tfvae.latents.latent import float32
from tfvae.layers.dense import dense
from tfvae.seeds import as_seed, uniform

tfd = tfp.distributions
DEGREES = 4.0


class StudentT(Latent):
    """The least that a new latent needs: heavy tails around an affine location."""

    def build(self, *, code_dim):
        self.head = dense(2 * self.latent_dim, code_dim, name="head")
        self.built = True

    def call(self, code, training=False):
        loc, log_scale = tf.split(self.head(code), 2, -1)
        return float32({"loc": loc, "log_scale": log_scale})

    def distribution(self, params):
        scale = tf.exp(params["log_scale"])
        return tfd.Independent(tfd.StudentT(DEGREES, params["loc"], scale), 1)

    def mode(self, params):
        return params["loc"]


@pytest.fixture
def code(rng):
    return rng.normal(size=(5, 4)).astype("float32")


def test_a_new_latent_samples_by_its_quantiles(code):
    latent = StudentT(2)
    latent.build(code_dim=4)
    params = latent(code)
    z, log_q = latent.sample(params, 20000, as_seed(0))
    assert z.shape == (20000, 5, 2)
    loc, scale = params["loc"].numpy(), np.exp(params["log_scale"])
    expected = stats.t(DEGREES, loc, scale)
    np.testing.assert_allclose(
        z, expected.ppf(uniform(z.shape, as_seed(0))), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(log_q, expected.logpdf(z).sum(-1), rtol=1e-4, atol=1e-4)
    standard = ((z - loc) / scale).numpy()
    for row in range(5):
        for axis in range(2):
            found = stats.kstest(standard[:, row, axis], stats.t(DEGREES).cdf)
            # 4 standard errors of a normal.
            assert found.pvalue > 6.3e-5


MAKERS = [
    lambda: StudentT(3),
    lambda: Gaussian(3, covariance="full"),
    lambda: GaussianCopula(3),
]


# Some gradients of matrices compile at known sizes only; batches have unknown ones.
@pytest.mark.long
@pytest.mark.parametrize("make", MAKERS, ids=["student", "full", "copula"])
def test_samples_and_gradients_are_the_same_with_xla(make, code):
    latent = make()
    latent.build(code_dim=4)

    def run(code, seed):
        with tf.GradientTape() as tape:
            tape.watch(code)
            z, log_q = latent.sample(latent(code), 2, seed)
            total = tf.reduce_sum(z**2) + tf.reduce_sum(log_q)
        return z, log_q, tape.gradient(total, code)

    signature = [tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([2], tf.int32)]
    compiled = tf.function(run, input_signature=signature, jit_compile=True)
    arguments = tf.constant(code), as_seed(1)
    for found, expected in zip(compiled(*arguments), run(*arguments), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", ["call", "distribution", "mode"])
def test_a_latent_must_implement_its_methods(method):
    with pytest.raises(NotImplementedError, match=f"must implement `{method}`"):
        getattr(Latent(2), method)(None)


def test_float32_casts_every_entry():
    found = float32({"loc": tf.zeros([1], tf.bfloat16), "scale": tf.zeros([1])})
    assert {value.dtype for value in found.values()} == {tf.float32}


def test_errors():
    with pytest.raises(ValueError, match="`latent_dim` must be positive.*-1"):
        Latent(-1)
