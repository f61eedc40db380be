import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.reported import REPORTED, has_critic
from tfvae.objectives import KL, CopulaLikelihood, DualKL, Reconstruction


def score(model, tokens, num_samples=4):
    scorer = SentenceScorer(model, num_samples, jit_compile=False)
    return scorer({"tokens": tokens}, 3)


def exact_critic(pairs):
    """Gives `log q(z|x) - log p(z)` from features and codes, side by side."""
    code, z = pairs[..., : toy.NUM_FEATURES], pairs[..., toy.NUM_FEATURES :]
    gain, bias, covariance = toy.true_posterior()
    loc = code @ tf.constant(gain.T, tf.float32) + tf.constant(bias, tf.float32)
    precision = tf.constant(np.linalg.inv(covariance), tf.float32)
    own = tf.reduce_sum((z - loc) * ((z - loc) @ precision), -1)
    log_determinant = np.linalg.slogdet(covariance)[1]
    ratio = 0.5 * (tf.reduce_sum(z**2, -1) - own - log_determinant)
    return ratio[..., None]


def test_the_exact_critic_gives_the_divergence():
    term = DualKL(hidden_dims=(4,))
    model = toy.implicit_vae(term)
    term.critic = exact_critic
    # Features of a draw from the model, where the ratio of densities has a variance.
    scores = score(model, toy.random_tokens(2000))
    kl = scores.reported["critic_kl"].numpy().astype(np.float64)
    excess = kl - scores.kl.numpy()
    assert abs(excess.mean()) < 4 * excess.std() / len(excess) ** 0.5
    np.testing.assert_allclose(
        scores.reported["critic_elbo"], scores.reconstruction + kl, rtol=1e-5
    )


def test_a_critic_that_knows_nothing_estimates_nothing():
    terms = DualKL(hidden_dims=(4,)), DualKL(0.0, False, hidden_dims=(4,))
    model = toy.implicit_vae(*terms, layers=True)
    terms[0].critic = lambda pairs: 0.0 * pairs[..., :1]
    terms[1].critic = lambda z: 0.0 * z[..., :1] - 2.0
    scores = score(model, toy.random_tokens(5))
    assert set(scores.reported) == set(REPORTED) - {"nll_minus_log_copula"}
    np.testing.assert_allclose(scores.reported["critic_kl"], 0.0, atol=1e-6)
    # -2 - exp(-2) + 1
    marginal = -1.0 - np.exp(-2.0)
    np.testing.assert_allclose(scores.reported["critic_marginal_kl"], marginal, 1e-5)
    np.testing.assert_allclose(scores.reported["critic_mi"], -marginal, rtol=1e-5)
    # A critic's value is no bound, and none is claimed.
    assert scores.nelbo is None


def test_the_marginal_critic_alone_has_no_likelihood_of_its_own():
    model = toy.implicit_vae(DualKL(1.0, False, hidden_dims=(4,)))
    assert set(score(model, toy.random_tokens(5)).reported) == {"critic_marginal_kl"}
    assert has_critic(model) and not has_critic(toy.implicit_vae())


def test_the_copula_is_subtracted_under_its_own_name():
    copula = CopulaLikelihood(0.4)
    model = support.make_vae(objective=[Reconstruction(), KL(), copula])
    tokens = support.batch()
    scores = score(model, tokens)
    code = model.encoder(tokens)
    diagonal, factor = copula.head.covariance(copula.head(code))
    for row in range(len(tokens)):
        covariance = np.diag(np.broadcast_to(diagonal[row], [2])) + np.outer(
            factor[row], factor[row]
        )
        deviation = np.diag(covariance) ** 0.5
        correlation = covariance / np.outer(deviation, deviation)
        # E[log c] is minus half the log-determinant of the correlations.
        log_copula = (
            stats.multivariate_normal(cov=np.eye(2)).entropy()
            - stats.multivariate_normal(cov=correlation).entropy()
        )
        expected = scores.nelbo[row] - log_copula
        found = scores.reported["nll_minus_log_copula"][row]
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
        assert log_copula > 0


def test_usual_models_report_nothing_else():
    assert score(support.make_vae(), support.batch()).reported == {}
