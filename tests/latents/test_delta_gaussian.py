import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, optimize, stats

from tests.support import forward_record
from tfvae.latents import DeltaGaussian, StandardNormal
from tfvae.latents.gaussian import largest_log_variance
from tfvae.objectives import KL
from tfvae.objectives.kl import kl_method
from tfvae.seeds import as_seed

CODE_DIM, LATENT_DIM, ROWS = 4, 3, 5
tfd = tfp.distributions


def built(**options):
    latent = DeltaGaussian(LATENT_DIM, **options)
    latent.build(code_dim=CODE_DIM)
    return latent


def divergence(latent, params):
    """The objective's divergence from the standard normal, `[B]`."""
    prior = StandardNormal(LATENT_DIM)
    record = forward_record(
        posterior=latent.distribution(params),
        prior=prior.distribution({"loc": 0.0 * params["loc"]}),
    )
    assert kl_method(record.posterior, record.prior) == "closed_form"
    return KL().cost(record).numpy()


@pytest.mark.parametrize("rate", [0.01, 1.0, 5.0, 20.0])
def test_the_divergence_is_at_least_the_rate(rng, rate):
    latent = built(rate=rate)
    for size in (0.0, 0.1, 1.0, 1e2, 1e4):
        params = {
            "loc": tf.constant(rng.normal(size=(64, 3)), tf.float32),
            "raw_log_variance": tf.constant(size * rng.normal(size=(64, 3))),
        }
        params["raw_log_variance"] = tf.cast(params["raw_log_variance"], tf.float32)
        centred = params | {"loc": 0.0 * params["loc"]}
        for each in (params, centred):
            assert (divergence(latent, each) >= rate * (1 - 1e-5)).all()
    # It is reached where the mean is 0 and the variance as large as can be.
    params = {"loc": tf.zeros([1, 3]), "raw_log_variance": tf.fill([1, 3], -100.0)}
    np.testing.assert_allclose(divergence(latent, params), rate, rtol=1e-4)


@pytest.mark.parametrize("rate", [1e-4, 0.2, 3.0, 9.0])
def test_the_largest_variance_by_root_search(rate):
    expected = optimize.brentq(lambda v: 0.5 * (np.exp(v) - 1 - v) - rate, -30, -1e-9)
    assert largest_log_variance(rate) == pytest.approx(expected, rel=1e-6)


def test_divergence_and_density_by_quadrature(rng):
    latent = built(rate=2.0)
    code = rng.normal(size=(ROWS, CODE_DIM)).astype("float32")
    params = latent(code)
    kernel, bias = latent.base.heads["log_variance"].get_weights()
    below = np.logaddexp(0.0, code @ kernel + bias)
    bound = optimize.brentq(lambda v: 0.5 * (np.exp(v) - 1 - v) - 2 / 3, -30, -1e-9)
    scale = np.exp(0.5 * (bound - below))
    kernel, bias = latent.base.heads["loc"].get_weights()
    loc = code @ kernel + bias

    def integral(row, place):
        q, p = stats.norm(loc[row, place], scale[row, place]), stats.norm()
        ends = q.mean() - 10 * q.std(), q.mean() + 10 * q.std()
        return integrate.quad(
            lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), *ends, points=[q.mean()]
        )[0]

    expected = [sum(integral(row, j) for j in range(LATENT_DIM)) for row in range(ROWS)]
    np.testing.assert_allclose(divergence(latent, params), expected, rtol=1e-4)
    z, log_q = latent.sample(params, 4, as_seed(0))
    expected = stats.norm(loc, scale).logpdf(z.numpy()).sum(-1)
    np.testing.assert_allclose(log_q, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(latent.mode(params), loc, rtol=1e-5, atol=1e-6)


def test_errors():
    for rate in (0.0, -1.0, 27.1, float("nan")):
        with pytest.raises(ValueError, match=f"`rate` must be.*Received: rate={rate}"):
            DeltaGaussian(3, rate=rate)
    with pytest.raises(ValueError, match="`latent_dim` must be positive"):
        DeltaGaussian(0)
