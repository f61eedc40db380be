import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tfvae.distributions import GaussianCopula
from tfvae.distributions.gaussian_copula import (
    copula_joint,
    expected_log_copula,
    log_copula,
    rank_one_expected_log_copula,
    rank_one_inverse_quadratic,
    rank_one_log_copula,
    rank_one_log_determinant,
    rank_one_scale_tril,
)
from tfvae.seeds import as_seed

tfd = tfp.distributions

DIM, ROWS = 5, 4
# The two-sided probability beyond 4 standard errors.
FOUR_ERRORS = 6.3e-5


@pytest.fixture(params=[1, DIM], ids=["scalar", "by_dimension"])
def rank_one(request, rng):
    """A diagonal, a factor, the covariances in float64, and scores."""
    diagonal = rng.uniform(0.5, 2.0, (ROWS, request.param)).astype("float32")
    factor = rng.uniform(-1.0, 1.0, (ROWS, DIM)).astype("float32")
    matrices = [
        np.diag(np.broadcast_to(w, DIM)).astype("float64") + np.outer(a, a)
        for w, a in zip(diagonal, factor, strict=True)
    ]
    scores = (2.0 * rng.normal(size=(3, ROWS, DIM))).astype("float32")
    return diagonal, factor, np.stack(matrices), scores


def scipy_log_copula(matrix, scores):
    """The joint normal log-density less those of the marginals."""
    joint = stats.multivariate_normal(np.zeros(len(matrix)), matrix).logpdf(scores)
    marginals = stats.norm(scale=np.sqrt(np.diag(matrix))).logpdf(scores)
    return joint - marginals.sum(-1)


def log_det_correlation(matrix):
    scale = np.sqrt(np.diag(matrix))
    return np.linalg.slogdet(matrix / np.outer(scale, scale))[1]


def equicorrelated(correlation, dim=2):
    matrix = np.full((dim, dim), correlation) + (1.0 - correlation) * np.eye(dim)
    return np.linalg.cholesky(matrix).astype("float32")


def test_rank_one_algebra(rank_one):
    diagonal, factor, matrices, scores = rank_one
    found = rank_one_log_determinant(diagonal, factor)
    np.testing.assert_allclose(found, np.linalg.slogdet(matrices)[1], rtol=1e-5)
    found = rank_one_inverse_quadratic(diagonal, factor, scores)
    solved = np.linalg.solve(matrices, scores[..., None].astype("float64"))[..., 0]
    np.testing.assert_allclose(found, (scores * solved).sum(-1), rtol=1e-4)
    found = rank_one_scale_tril(diagonal, factor)
    expected = np.linalg.cholesky(matrices)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_density_by_either_route(rank_one):
    diagonal, factor, matrices, scores = rank_one
    pairs = zip(matrices, scores.swapaxes(0, 1), strict=True)
    expected = np.stack([scipy_log_copula(*pair) for pair in pairs], axis=1)
    found = rank_one_log_copula(diagonal, factor, scores)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    scale_tril = np.linalg.cholesky(matrices).astype("float32")
    found = log_copula(scale_tril, scores)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_expectation_by_either_route(rank_one):
    diagonal, factor, matrices, _ = rank_one
    expected = [-0.5 * log_det_correlation(matrix) for matrix in matrices]
    found = rank_one_expected_log_copula(diagonal, factor)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    scale_tril = np.linalg.cholesky(matrices).astype("float32")
    np.testing.assert_allclose(expected_log_copula(scale_tril), expected, rtol=1e-4)


def test_expectation_is_the_mean_of_the_density(rank_one, rng):
    diagonal, factor, matrices, _ = rank_one
    scores = rng.multivariate_normal(np.zeros(DIM), matrices[0], 20000)
    logs = rank_one_log_copula(diagonal[0], factor[0], scores.astype("float32")).numpy()
    expected = -0.5 * log_det_correlation(matrices[0])
    assert abs(logs.mean() - expected) < 4 * logs.std() / len(logs) ** 0.5


def test_largest_expectation(rng):
    signs = np.where(rng.uniform(size=32) < 0.5, -1.0, 1.0).astype("float32")
    most = float(rank_one_expected_log_copula(np.float32([0.5]), signs))
    # All correlations are 2/3 in size: eigenvalues 1 + 31 * 2/3 and 31 of 1/3.
    assert most == pytest.approx(-0.5 * (np.log(65 / 3) - 31 * np.log(3)), rel=1e-5)
    assert most == pytest.approx(15.4906, abs=1e-4)
    diagonal = rng.uniform(0.5, 1.0, (100, 1)).astype("float32")
    factor = rng.uniform(-1.0, 1.0, (100, 32)).astype("float32")
    assert (rank_one_expected_log_copula(diagonal, factor).numpy() < most).all()


def test_distribution_has_the_density(rank_one, rng):
    _, _, matrices, _ = rank_one
    copula = GaussianCopula(np.linalg.cholesky(matrices))
    assert copula.batch_shape == (ROWS,)
    assert copula.event_shape == (DIM,)
    uniforms = rng.uniform(0.001, 0.999, (3, ROWS, DIM)).astype("float32")
    found = copula.log_prob(uniforms)
    assert found.shape == (3, ROWS)
    scores = stats.norm.ppf(uniforms.astype("float64"))
    for row, matrix in enumerate(matrices):
        # Of standard normal scores.
        scaled = scores[:, row] * np.sqrt(np.diag(matrix))
        expected = scipy_log_copula(matrix, scaled)
        np.testing.assert_allclose(found[:, row], expected, rtol=1e-3, atol=1e-4)


def test_density_integrates_to_one():
    edges = (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(edges, edges), axis=-1).astype("float32")
    density = np.exp(GaussianCopula(equicorrelated(0.6)).log_prob(grid))
    assert density.mean() == pytest.approx(1.0, abs=2e-3)
    np.testing.assert_allclose(density.mean(0)[20:-20], 1.0, atol=2e-3)


def test_tails():
    copula = GaussianCopula(equicorrelated(0.9))
    low = np.float32([[1e-30, 1e-30], [1e-6, 1e-20], [1e-4, 0.9999]])
    scores = stats.norm.ppf(low.astype("float64"))
    expected = scipy_log_copula(np.array([[1.0, 0.9], [0.9, 1.0]]), scores)
    np.testing.assert_allclose(copula.log_prob(low), expected, rtol=1e-3)
    corners = tf.constant([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert np.isfinite(copula.log_prob(corners)).all()


def test_samples_are_uniform_and_correlated():
    copula = GaussianCopula(2.0 * equicorrelated(0.7, 3))
    samples = copula.sample(4000, seed=as_seed(3)).numpy()
    assert samples.min() > 0.0
    assert samples.max() < 1.0
    for column in samples.T:
        assert stats.kstest(column, "uniform").pvalue > FOUR_ERRORS
    found = np.corrcoef(stats.norm.ppf(samples.astype("float64")).T)
    error = (1.0 - 0.7**2) / 4000**0.5
    assert (abs(found - 0.7) < 4 * error)[np.triu_indices(3, 1)].all()


def test_normal_marginals_give_a_multivariate_normal(rng):
    loc, scale = rng.normal(size=3), np.array([0.5, 1.0, 3.0])
    marginals = tfd.Normal(loc.astype("float32"), scale.astype("float32"))
    joint = copula_joint(2.0 * equicorrelated(0.6, 3), marginals)
    correlation = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    # Far out, where a cdf in float32 is 1.
    z = loc + scale * np.array([[0.3, -1.0, 2.0], [7.0, 8.0, 6.0]])
    expected = stats.multivariate_normal(loc, correlation * np.outer(scale, scale))
    np.testing.assert_allclose(
        joint.log_prob(z.astype("float32")), expected.logpdf(z), rtol=1e-4
    )


def test_other_marginals():
    rates = np.float32([0.5, 2.0])
    joint = copula_joint(equicorrelated(0.6), tfd.Exponential(rates))
    z = np.float32([[0.5, 0.1], [3.0, 2.0]])
    marginals = stats.expon(scale=1.0 / rates.astype("float64"))
    scores = stats.norm.ppf(marginals.cdf(z))
    matrix = np.array([[1.0, 0.6], [0.6, 1.0]])
    expected = scipy_log_copula(matrix, scores) + marginals.logpdf(z).sum(-1)
    np.testing.assert_allclose(joint.log_prob(z), expected, rtol=1e-3)
    samples = joint.sample(4000, seed=as_seed(0)).numpy()
    for column, rate in zip(samples.T, rates, strict=True):
        expected = stats.expon(scale=1.0 / rate).cdf
        assert stats.kstest(column, expected).pvalue > FOUR_ERRORS


def test_xla_draws_the_same():
    def draw(seed):
        copula = GaussianCopula(equicorrelated(0.5))
        return copula.experimental_sample_and_log_prob(6, seed=seed)

    found = tf.function(draw, jit_compile=True)(as_seed(1))
    for one, other in zip(found, draw(as_seed(1)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
