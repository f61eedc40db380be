import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfvae.distributions import GaussianMixture as Mixture
from tfvae.distributions.gaussian_mixture import straight_through
from tfvae.latents import GaussianMixture
from tfvae.seeds import as_seed, uniform

LOGITS = np.log([[0.2, 0.5, 0.3]]).astype("float32")
LOC = np.float32([[[-2.0, 0.5], [0.0, 1.0], [3.0, -1.0]]])
SCALE = np.float32([[[0.5, 1.0], [0.3, 0.4], [1.5, 0.2]]])


@pytest.fixture
def mixture():
    return Mixture(LOGITS, LOC, SCALE, 0.1)


def log_density(points):
    parts = stats.norm(LOC[0], SCALE[0]).logpdf(points[..., None, :]).sum(-1)
    return special.logsumexp(parts + LOGITS[0], -1)


def test_density(mixture, rng):
    points = rng.normal(0.0, 2.0, (50, 1, 2)).astype("float32")
    np.testing.assert_allclose(
        mixture.log_prob(points), log_density(points), rtol=1e-4, atol=1e-4
    )


def test_samples_have_that_density(mixture):
    num = 40_000
    z = mixture.sample(num, seed=as_seed(1)).numpy()[:, 0]
    weights = np.exp(LOGITS[0])
    for column in range(2):
        parts = stats.norm(LOC[0, :, column], SCALE[0, :, column])
        found = stats.kstest(z[:, column], lambda x: parts.cdf(x[:, None]) @ weights)  # noqa: B023
        assert found.pvalue > 1e-3
    # Both coordinates are of one component.
    mean = weights @ LOC[0]
    products = (z - mean).prod(-1)
    expected = weights @ (LOC[0] - mean).prod(-1)
    assert abs(products.mean() - expected) < 4 * products.std() / num**0.5
    np.testing.assert_allclose(mixture.mean()[0], mean, rtol=1e-5)


def test_the_choice_is_hard_and_its_gradient_soft():
    scores = tf.constant([[1.0, 3.0, 2.9], [0.0, -1.0, -5.0]])
    values = tf.constant([0.3, 1.0, -2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        hard = straight_through(scores, 0.5)
        of_hard = tf.reduce_sum(hard * values)
        of_soft = tf.reduce_sum(tf.nn.softmax(scores / 0.5) * values)
    np.testing.assert_array_equal(hard, [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(
        tape.gradient(of_hard, scores), tape.gradient(of_soft, scores), rtol=1e-5
    )


def test_gradients_of_samples_by_mean_and_scale():
    # E[z] and E[z ** 2] of one component are mean and mean ** 2 + scale ** 2.
    with tf.GradientTape(persistent=True) as tape:
        loc, scale = tf.constant(LOC), tf.constant(SCALE)
        tape.watch([loc, scale])
        z = Mixture(LOGITS, loc, scale, 0.1).sample(100_000, seed=as_seed(2))[:, 0]
        first, second = tf.reduce_mean(z[:, 0]), tf.reduce_mean(z[:, 0] ** 2)
    weights = np.exp(LOGITS[0])
    found = tape.gradient(first, loc)[0, :, 0]
    np.testing.assert_allclose(found, weights, atol=4 * 0.5 / 100_000**0.5)
    found = tape.gradient(second, scale)[0, :, 0]
    np.testing.assert_allclose(found, 2 * weights * SCALE[0, :, 0], atol=0.03)


def test_linear_gaussian_likelihood_of_a_latent():
    # x = w . z + noise, the code-free prior's mixture known from its parameters.
    latent = GaussianMixture(2, 3)
    latent.build(code_dim=0)
    latent.heads["loc"].bias.assign(3.0 * latent.heads["loc"].bias)
    params = latent(tf.zeros([1, 0]))
    logits, loc, log_variance = (
        params[name].numpy()[0] for name in ("logits", "loc", "log_variance")
    )
    weights, noise, x = np.array([1.2, -0.7]), 0.6, 0.8
    scales = np.sqrt(np.exp(log_variance) @ weights**2 + noise**2)
    exact = special.softmax(logits) @ stats.norm(loc @ weights, scales).pdf(x)
    num = 200_000
    z, log_q = latent.sample(params, num, as_seed(3))
    density = stats.norm(z.numpy()[:, 0] @ weights, noise).pdf(x)
    assert abs(density.mean() - exact) < 4 * density.std() / num**0.5
    np.testing.assert_allclose(log_q, latent.distribution(params).log_prob(z), 1e-5)


def test_the_code_decides_all(rng):
    latent = GaussianMixture(2, 4)
    latent.build(code_dim=3)
    params = latent(rng.normal(size=(5, 3)).astype("float32"))
    assert params["logits"].shape == (5, 4)
    assert params["loc"].shape == params["log_variance"].shape == (5, 4, 2)
    likeliest = params["logits"].numpy().argmax(-1)
    expected = params["loc"].numpy()[range(5), likeliest]
    np.testing.assert_array_equal(latent.mode(params), expected)
    assert all(np.ptp(params[name], axis=0).min() > 0 for name in params)


def test_rows_with_seeds_of_their_own(mixture):
    seeds = tf.constant([[1, 2], [3, 4]])
    both = Mixture(*(np.repeat(each, 2, 0) for each in (LOGITS, LOC, SCALE)), 0.1)
    z = both.sample(3, seed=seeds)
    for row in range(2):
        alone = mixture.sample(3, seed=seeds[row : row + 1])
        np.testing.assert_allclose(z[:, row], alone[:, 0], rtol=1e-5)
    # In the open interval, so that Gumbel noise is finite.
    drawn = uniform([1000], as_seed(0))
    assert np.isfinite(-np.log(-np.log(drawn))).all()


def test_errors():
    with pytest.raises(ValueError, match="Use `Gaussian` for one"):
        GaussianMixture(2, 1)
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        GaussianMixture(2, 3, 0.0)
