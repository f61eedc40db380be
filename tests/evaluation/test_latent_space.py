import numpy as np
import pytest
import scipy.stats

from tfvae.evaluation.latent_space import (
    aggregated_mmd,
    concentrations,
    moment_kl,
    posterior_scales,
    principal_projection,
    summarize_scales,
)
from tfvae.latents import Deterministic, Gaussian, PlanarFlow, VonMisesFisher


def built(latent):
    latent.build((None, 4))
    return latent


def params_of(latent, rng, num=6):
    return latent(rng.normal(size=(num, 4)).astype("float32"))


def test_scales_of_gaussians(rng):
    latent = built(Gaussian(3))
    params = params_of(latent, rng)
    expected = np.exp(params["log_variance"].numpy() / 2)
    np.testing.assert_allclose(posterior_scales(latent, params), expected, rtol=1e-5)


def test_scales_of_full_covariances(rng):
    latent = built(Gaussian(3, covariance="full"))
    params = params_of(latent, rng)
    found = posterior_scales(latent, params)
    covariance = latent.distribution(params).covariance().numpy()
    expected = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_scales_from_samples(rng):
    latent = built(PlanarFlow(3))
    params = params_of(latent, rng)
    found = posterior_scales(latent, params, num_samples=2000)
    noise = rng.normal(size=(20000, 6, 3)).astype("float32")
    start = params["loc"] + np.exp(params["log_variance"] / 2) * noise
    z = latent.distribution(params).transform(start)[0].numpy()
    np.testing.assert_allclose(found, z.std(0), rtol=4 / np.sqrt(4000))
    latent = built(Deterministic(3))
    assert (posterior_scales(latent, params_of(latent, rng)) == 0.0).all()


def test_concentrations(rng):
    latent = built(VonMisesFisher(3, min_concentration=0.5))
    params = params_of(latent, rng)
    raw = params["raw_concentration"].numpy()[:, 0]
    expected = 0.5 + np.log1p(np.exp(raw))
    np.testing.assert_allclose(concentrations(latent, params), expected, rtol=1e-5)


def test_summary():
    found = summarize_scales([[0.1, 2.0], [0.3, 1.0]], threshold=0.3, num_bins=4)
    np.testing.assert_allclose(found.mean, [0.2, 1.5])
    np.testing.assert_allclose(found.edges, [0.0, 0.5, 1.0, 1.5, 2.0])
    assert found.counts.tolist() == [2, 0, 1, 1]
    assert found.share_below == 0.25
    collapsed = summarize_scales(np.zeros([5, 2]))
    assert collapsed.share_below == 1.0 and collapsed.counts.sum() == 10


def test_moment_kl_is_the_gaussian_divergence(rng):
    codes = rng.normal(size=(40, 2)) @ [[1.0, 0.5], [0.0, 2.0]] + [1.0, -1.0]
    mean, covariance = codes.mean(0), np.cov(codes.T)
    # By quadrature of the definition.
    grid = np.linspace(-14.0, 14.0, 561)
    z = np.stack(np.meshgrid(grid, grid), -1)
    q = scipy.stats.multivariate_normal(mean, covariance)
    p = scipy.stats.multivariate_normal([0.0, 0.0])
    step = grid[1] - grid[0]
    expected = (q.pdf(z) * (q.logpdf(z) - p.logpdf(z))).sum() * step**2
    np.testing.assert_allclose(moment_kl(codes), expected, rtol=1e-3)


def test_moment_kl_of_the_prior_and_of_a_subspace(rng):
    codes = rng.normal(size=(20000, 8))
    # Bias and noise in the moments.
    expected = 8 * 11 / (4 * 20000)
    np.testing.assert_allclose(moment_kl(codes), expected, rtol=0.7)
    assert moment_kl(np.outer(np.arange(6.0), [1.0, 0.0])) == np.inf


def test_mmd_tells_the_prior_from_others(rng):
    prior, same = rng.normal(size=(2, 400, 4))
    assert abs(aggregated_mmd(same, prior)) < 0.05
    assert aggregated_mmd(same + 2.0, prior) > 0.5
    few = aggregated_mmd(same[:3], prior[:2])

    def kernel(x, y):
        squares = ((x - y) ** 2).sum()
        bases = 8.0 * np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
        return (bases / (bases + squares)).sum()

    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    expected = np.mean([kernel(same[i], same[j]) for i, j in pairs])
    expected += kernel(prior[0], prior[1])
    expected -= 2 * np.mean([kernel(x, y) for x in same[:3] for y in prior[:2]])
    np.testing.assert_allclose(few, expected, rtol=1e-4)


def test_mmd_chooses_at_random(rng):
    codes = np.concatenate([np.zeros([300, 2]), np.full([300, 2], 9.0)])
    prior = rng.normal(size=(600, 2))
    first = aggregated_mmd(codes, prior, max_codes=100)
    assert first == aggregated_mmd(codes, prior, max_codes=100)
    assert first != aggregated_mmd(codes, prior, max_codes=100, seed=1)
    # Not the first hundred, which are all 0.
    every = aggregated_mmd(codes, prior, max_codes=600)
    assert abs(first - every) < 0.25 * every


def test_projection_finds_the_axes(rng):
    spread = rng.normal(size=(3000, 3)) * [1.0, 5.0, 2.0]
    turn = scipy.stats.special_ortho_group.rvs(3, random_state=0)
    points = spread @ turn.T + [1.0, 2.0, 3.0]
    found = principal_projection(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    order = np.argsort(-values)[:2]
    np.testing.assert_allclose(found.explained, values[order] / values.sum())
    likeness = abs(np.sum(found.axes * vectors[:, order].T, axis=1))
    np.testing.assert_allclose(likeness, 1.0)
    np.testing.assert_allclose(
        found.coordinates, (points - points.mean(0)) @ found.axes.T, atol=1e-9
    )
    assert (found.axes.max(1) == abs(found.axes).max(1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarize_scales([]), "not empty"),
        (lambda: summarize_scales([[1.0]], threshold=0.0), "threshold=0.0"),
        (lambda: moment_kl(np.zeros([2, 3])), r"more codes.*\(2, 3\)"),
        (lambda: aggregated_mmd(np.zeros([1, 2]), np.zeros([3, 2])), "at least two"),
        (lambda: principal_projection(np.zeros([3, 2]), 3), "num_axes=3"),
        (lambda: posterior_scales(None, {}, num_samples=1), "num_samples=1"),
        (lambda: concentrations(Deterministic(2), {}), "Received: Deterministic"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
