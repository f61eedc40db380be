import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfvae.evaluation import latent
from tfvae.evaluation.latent import active_units, marginal_kl, mutual_information
from tfvae.latents import Deterministic, Gaussian


def gaussian_params(loc, scale):
    loc = tf.constant(loc, tf.float32)
    return {
        "loc": loc,
        "log_variance": tf.fill(loc.shape, np.float32(2 * np.log(scale))),
    }


def random_params(rng, num, latent_dim, covariance):
    params = {
        "loc": rng.normal(size=(num, latent_dim)),
        "log_variance": rng.normal(-1, 0.5, (num, latent_dim)),
    }
    if covariance == "full":
        count = latent_dim * (latent_dim - 1) // 2
        params["lower"] = rng.normal(0, 0.4, (num, count))
    return {name: tf.constant(value, tf.float32) for name, value in params.items()}


def draw(posterior, params, num_samples=1):
    z, log_q = posterior.sample(params, num_samples, tf.constant([0, 1]))
    return z.numpy(), log_q.numpy()


def log_marginal_by_loop(posterior, params, z, block_size, leave_one_out):
    """Compares every code with every posterior of its block, one by one."""
    distribution = posterior.distribution(params)
    if posterior.covariance == "full":
        covariances = distribution.covariance().numpy()
    else:
        covariances = [np.diag(row) for row in distribution.variance().numpy()]
    densities = [
        stats.multivariate_normal(loc, covariance)
        for loc, covariance in zip(params["loc"].numpy(), covariances, strict=True)
    ]
    result = np.full(z.shape[:2], np.nan)
    for i in range(z.shape[1]):
        first = i // block_size * block_size
        block = densities[first : first + block_size]
        others = [q for j, q in enumerate(block, first) if j != i or not leave_one_out]
        for s in range(len(z) if others else 0):
            terms = [q.logpdf(z[s, i]) for q in others]
            result[s, i] = special.logsumexp(terms) - np.log(len(others))
    return result


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize(
    ("block_size", "leave_one_out"),
    [(None, False), (4, False), (5, True), (None, True)],
)
def test_matches_a_plain_double_loop(
    rng, monkeypatch, covariance, block_size, leave_one_out
):
    posterior = Gaussian(3, covariance=covariance)
    # 11 sentences: with blocks of 5 the last one is alone.
    params = random_params(rng, 11, 3, covariance)
    z, log_q = draw(posterior, params, num_samples=2)
    # Several chunks of rows and of columns, of uneven sizes.
    monkeypatch.setattr(latent, "_MAX_FLOATS", 30)
    options = {"block_size": block_size, "leave_one_out": leave_one_out}
    estimate = mutual_information(posterior, params, z, **options)
    expected = log_marginal_by_loop(
        posterior, params, z, block_size or 11, leave_one_out
    )
    np.testing.assert_allclose(estimate.log_marginal, expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(expected).any() == (block_size == 5)
    assert estimate.value == pytest.approx(np.nanmean(log_q - expected), abs=1e-4)
    monkeypatch.undo()
    whole = mutual_information(posterior, params, z, **options)
    np.testing.assert_allclose(whole.log_marginal, estimate.log_marginal, rtol=1e-5)


def test_matrix_product_keeps_precision_far_from_the_origin(rng):
    loc = 300 + rng.normal(0, 0.01, (6, 2)).astype("float32")
    posterior, params = Gaussian(2), gaussian_params(loc, 0.02)
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z)
    errors = (z[0][:, None].astype("float64") - loc[None]) / 0.02
    terms = -0.5 * (errors**2).sum(-1) - np.log(2 * np.pi) - 2 * np.log(0.02)
    expected = special.logsumexp(terms, axis=1) - np.log(6)
    np.testing.assert_allclose(estimate.log_marginal[0], expected, atol=1e-3)


def test_separated_posteriors_reach_the_caps(rng):
    posterior = Gaussian(2)
    params = gaussian_params(100.0 * rng.normal(size=(96, 2)), 0.01)
    codes = (params, draw(posterior, params)[0])
    batch = mutual_information(posterior, *codes, block_size=32)
    whole = mutual_information(posterior, *codes)
    others = mutual_information(posterior, *codes, block_size=33, leave_one_out=True)
    assert batch.value == pytest.approx(np.log(32), abs=1e-3)
    assert whole.value == pytest.approx(np.log(96), abs=1e-3)
    assert (batch.cap, batch.block_size) == (pytest.approx(np.log(32)), 32)
    assert (whole.cap, whole.block_size) == (pytest.approx(np.log(96)), 96)
    assert others.value > 1000 and others.cap == np.inf and others.block_size == 33


def test_last_batch_counts_by_its_size(rng):
    posterior = Gaussian(1)
    params = gaussian_params(1000.0 * np.arange(40.0)[:, None], 0.1)
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z, block_size=32)
    expected = (32 * np.log(32) + 8 * np.log(8)) / 40
    assert estimate.value == pytest.approx(expected, abs=1e-3)


def test_gaussian_channel(rng):
    """Means from `N(0, s^2)` and variance `t^2`: `0.5 * log(1 + s^2 / t^2)` a unit."""
    num, s, t = 3000, 1.0, 0.8
    posterior = Gaussian(2)
    params = gaussian_params(rng.normal(0, s, (num, 2)), t)
    z, log_q = draw(posterior, params, num_samples=2)
    expected = np.log(1 + s**2 / t**2)
    # The variance over codes of log q(z|x) - log q(z) for one unit is
    # s^2 / (s^2 + t^2): a noise term eps^2 / 2 against z^2 / (2 (s^2 + t^2)).
    error = (2 * s**2 / (s**2 + t**2) / num) ** 0.5
    for leave_one_out in (False, True):
        estimate = mutual_information(posterior, params, z, leave_one_out=leave_one_out)
        # The finite mixture itself is off by less than (e^MI) / num nats or so.
        assert abs(estimate.value - expected) < 4 * error + 0.01


def test_divergence_from_the_prior_is_information_plus_marginal(rng):
    num = 3000
    posterior = Gaussian(2)
    params = gaussian_params(rng.normal(0.5, 0.7, (num, 2)), 0.6)
    z, log_q = draw(posterior, params)
    log_prior = stats.norm.logpdf(z).sum(-1)
    information = mutual_information(posterior, params, z)
    marginal = marginal_kl(information.log_marginal, log_prior)
    variance = 0.7**2 + 0.6**2
    per_unit = 0.5 * (variance + 0.5**2 - 1 - np.log(variance))
    difference = information.log_marginal - log_prior
    error = 4 * difference.std() / num**0.5
    assert abs(marginal - 2 * per_unit) < error + 0.01
    kl = 0.5 * (params["loc"].numpy() ** 2 + 0.6**2 - 1 - 2 * np.log(0.6)).sum(-1)
    error = 4 * (log_q - log_prior).std() / num**0.5
    assert abs(kl.mean() - information.value - marginal) < error


def test_collapsed_posterior_carries_nothing():
    posterior = Gaussian(3)
    params = gaussian_params(np.zeros((50, 3)), 1.0)
    codes = (params, draw(posterior, params)[0])
    for options in ({}, {"block_size": 8}, {"block_size": 9, "leave_one_out": True}):
        estimate = mutual_information(posterior, *codes, **options)
        assert abs(estimate.value) < 1e-5


def test_full_covariance_gaussian_channel(rng):
    """Correlated noise: `0.5 * log(det(A + C) / det(C))` for signal A and noise C."""
    num = 1500
    posterior = Gaussian(2, covariance="full")
    params = {
        "loc": tf.constant(rng.normal(0, 1, (num, 2)), tf.float32),
        "log_variance": tf.fill([num, 2], -1.0),
        "lower": tf.fill([num, 1], 0.5),
    }
    noise = posterior.distribution(params).covariance().numpy()[0]
    expected = 0.5 * np.log(np.linalg.det(np.eye(2) + noise) / np.linalg.det(noise))
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z)
    pointwise = log_q - estimate.log_marginal
    assert abs(estimate.value - expected) < 4 * pointwise.std() / num**0.5 + 0.01


def test_refuses_what_has_no_density():
    posterior = Deterministic(2)
    z = np.zeros((1, 3, 2))
    with pytest.raises(ValueError, match="density.*Received: posterior=Determinist"):
        mutual_information(posterior, {"loc": z[0]}, z)


def test_refuses_a_block_without_others():
    posterior, params = Gaussian(1), gaussian_params([[0.0], [1.0]], 1.0)
    z, log_q = draw(posterior, params)
    with pytest.raises(ValueError, match="block_size=1"):
        mutual_information(posterior, params, z, block_size=1, leave_one_out=True)


def test_active_units_by_hand():
    points = np.zeros((3, 3))
    points[:, 0] = [1.0, 2.0, 3.0]
    # Variance 0.0075 over n and 0.01125 over n - 1: only the latter is above 0.01.
    points[:, 1] = [0.0, 0.03375**0.5, 0.0]
    count, variances = active_units(points)
    assert count == 2
    np.testing.assert_allclose(variances, [1.0, 0.01125, 0.0])
    assert active_units(points, threshold=0.02)[0] == 1
    assert active_units(points, threshold=1.0)[0] == 0


def test_noise_of_the_means_is_no_activity(rng):
    num, draws = 2000, 16
    centre = np.zeros((num, 2))
    centre[:, 1] = rng.normal(0, 0.2, num)
    z = centre + rng.normal(size=(draws, num, 2))
    means, noise = z.mean(0), z.var(0, ddof=1) / draws
    assert active_units(means)[0] == 2
    count, variances = active_units(means, noise=noise)
    assert count == 1
    # The variance of a variance of normals is 2 / n of its square.
    error = 4 * (2 / num) ** 0.5 * np.array([1 / draws, 0.04 + 1 / draws])
    assert (abs(variances - [0.0, 0.04]) < error).all()


@pytest.mark.parametrize("points", [np.zeros((1, 4)), np.zeros(5)])
def test_active_units_need_two_sentences(points):
    with pytest.raises(ValueError, match="Received: shape="):
        active_units(points)
