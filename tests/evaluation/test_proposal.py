import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.proposal import FittedProposal, fit_gaussian
from tfvae.latents import Implicit, StandardNormal
from tfvae.seeds import as_seed, fold_in


def numpy_fit(z):
    """Shrinks the correlations of draws `[M, Z]` by Chen et al.'s equation 23."""
    z = np.asarray(z, np.float64)
    num, dim = z.shape
    covariance = np.cov(z.T)
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    square, trace = np.trace(correlation @ correlation), np.trace(correlation)
    # Of `num - 1` degrees of freedom, since the mean is estimated.
    share = ((1 - 2 / dim) * square + trace**2) / (
        (num - 1 + 1 - 2 / dim) * (square - trace**2 / dim)
    )
    share = min(share, 1.0)
    shrunk = (1 - share) * correlation + share * np.eye(dim)
    return z.mean(0), shrunk * np.outer(deviation, deviation)


@pytest.mark.parametrize("num_draws", [4, 60])
def test_the_fit_by_hand(rng, num_draws):
    mixing = np.array([[2.0, 0, 0], [1.5, 0.1, 0], [0.5, -0.2, 0.01]])
    z = (rng.normal(size=(num_draws, 2, 3)) @ mixing.T + 1.0).astype("float32")
    found = fit_gaussian(tf.constant(z))
    for row in range(2):
        loc, covariance = numpy_fit(z[:, row])
        np.testing.assert_allclose(found.loc[row], loc, rtol=1e-4)
        np.testing.assert_allclose(found.covariance()[row], covariance, rtol=1e-3)


def test_the_fit_finds_a_gaussian(rng):
    num, covariance = 20000, np.array([[1.0, 0.06], [0.06, 0.01]])
    z = rng.multivariate_normal([1.0, -2.0], covariance, (num, 1)).astype("float32")
    found = fit_gaussian(tf.constant(z))
    deviation = np.diag(covariance) ** 0.5
    assert (abs(found.loc[0] - [1.0, -2.0]) < 4 * deviation / num**0.5).numpy().all()
    spread = np.outer(deviation, deviation) ** 2 + covariance**2
    error = 4 * (spread / num) ** 0.5
    assert (abs(found.covariance()[0].numpy() - covariance) < error).all()


@pytest.mark.parametrize("z", [np.ones((9, 1, 3)), np.arange(2.0).reshape(2, 1, 1)])
def test_the_fit_of_draws_without_a_covariance_is_proper(z):
    found = fit_gaussian(tf.constant(z, tf.float32))
    assert np.isfinite(found.log_prob(z[:1].astype("float32"))).all()
    assert (np.linalg.eigvalsh(found.covariance()) > 0).all()


def test_weights_by_hand(rng):
    latent = Implicit(2, hidden_dims=(5,))
    latent.build((None, 4))
    params = latent(rng.normal(size=(3, 4)).astype("float32"))
    prior = StandardNormal(2).distribution({"loc": tf.zeros([3, 2])})
    proposal = FittedProposal(num_draws=50, prior_share=0.2)
    z, log_ratio = proposal.sample(latent, params, prior, 10, as_seed(3))
    draws = latent.sample(params, 50, fold_in(as_seed(3), 0))[0].numpy()
    for row in range(3):
        fitted = stats.multivariate_normal(*numpy_fit(draws[:, row]))
        log_prior = stats.norm.logpdf(z[:, row]).sum(-1)
        log_parts = [np.log(0.2) + log_prior, np.log(0.8) + fitted.logpdf(z[:, row])]
        expected = log_prior - special.logsumexp(log_parts, axis=0)
        np.testing.assert_allclose(log_ratio[:, row], expected, rtol=1e-3, atol=1e-4)
    assert float(tf.reduce_max(log_ratio)) <= -np.log(0.2) + 1e-5


def test_how_many_codes_are_from_the_prior():
    count = FittedProposal(prior_share=0.1).num_from_prior
    assert [count(num) for num in (1, 2, 5, 100, 105)] == [0, 1, 1, 10, 10]
    assert FittedProposal(prior_share=0.9).num_from_prior(2) == 1
    assert FittedProposal(prior_share=0.0).num_from_prior(9) == 0


def test_the_likelihood_is_unbiased_whatever_the_fit():
    tokens = np.repeat(toy.random_tokens(1), 10000, axis=0)
    true_nll = -toy.marginal().logpdf(toy.features(tokens[:1]).numpy())
    # Three draws make a bad fit, of which the codes weighted must know nothing.
    proposal = FittedProposal(3, prior_share=0.4)
    model = toy.implicit_vae(shift=0.3, layers=True)
    scorer = SentenceScorer(model, 3, proposal=proposal, jit_compile=False)
    nll = scorer({"tokens": tokens}, 5).nll.numpy().astype(np.float64)
    assert nll.mean() > true_nll
    ratios = np.exp(true_nll - nll)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / len(ratios) ** 0.5


def test_errors():
    with pytest.raises(ValueError, match="`num_draws` must be at least 2.*num_draws=1"):
        FittedProposal(1)
    with pytest.raises(ValueError, match="`prior_share` must be in.*prior_share=1.0"):
        FittedProposal(prior_share=1.0)
