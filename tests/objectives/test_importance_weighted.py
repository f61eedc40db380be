import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import linear_gaussian as toy
from tests.support import forward_record, make_vae
from tfvae.latents import Deterministic
from tfvae.objectives import ImportanceWeighted

NUM = 4000


@pytest.fixture(scope="module")
def sentence():
    """One sentence, its negative log-likelihood and the toy's exact bound."""
    tokens = toy.random_tokens(1)
    x = toy.features(tokens).numpy()[0]
    nll = -toy.marginal().logpdf(x)
    gain, bias, covariance = toy.true_posterior()
    loc = gain @ x + bias
    # The bound is above the likelihood by the divergence from the true posterior.
    wrong = 0.8**2 * np.eye(toy.LATENT_DIM)
    return tokens, nll, nll + toy.gaussian_kl(loc, wrong, loc, covariance)


def costs(model, tokens, num_samples, num_rows):
    inputs = {"tokens": tf.repeat(tokens, num_rows, axis=0)}
    forward = model.forward(inputs, num_samples=num_samples, seed=1)
    return ImportanceWeighted().cost(forward).numpy()


def standard_error(values):
    return values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_true_posterior_has_weights_without_variance(sentence, num_samples):
    tokens, nll, _ = sentence
    found = costs(toy.full_vae(), tokens, num_samples, 10)
    np.testing.assert_allclose(found, nll, rtol=1e-4)


def test_one_sample_is_the_bound_in_expectation(sentence):
    tokens, nll, nelbo = sentence
    found = costs(toy.diagonal_vae(), tokens, 1, NUM)
    assert nelbo > nll + 10 * standard_error(found)
    assert found.mean() == pytest.approx(nelbo, abs=4 * standard_error(found))


def test_more_samples_tighten_it_up_to_the_likelihood(sentence):
    tokens, nll, nelbo = sentence
    model = toy.diagonal_vae()
    few, many = costs(model, tokens, 5, NUM), costs(model, tokens, 500, 100)
    error = 4 * standard_error(few)
    assert nll + error < few.mean() < nelbo - error
    # The bias is half the weights' variance over their number, below a thousandth.
    weights = np.exp(nll - costs(model, tokens, 1, NUM))
    bias = 0.5 * weights.var() / 500
    assert bias < 0.01
    expected = nll + bias
    assert many.mean() == pytest.approx(expected, abs=4 * standard_error(many) + bias)


def test_by_hand():
    class Prior:
        def log_prob(self, z):
            return -tf.reduce_sum(z, -1)

    record = forward_record(
        log_likelihood=tf.constant([[-3.0], [-1.0]]),
        z=tf.constant([[[1.0]], [[2.0]]]),
        log_q=tf.constant([[0.5], [-0.5]]),
        prior=Prior(),
    )
    # Log weights -4.5 and -2.5.
    expected = -np.log((np.exp(-4.5) + np.exp(-2.5)) / 2)
    np.testing.assert_allclose(ImportanceWeighted().cost(record), [expected], rtol=1e-6)
    assert ImportanceWeighted().name == "importance_weighted"


def test_needs_densities():
    with pytest.raises(ValueError, match="`ImportanceWeighted` needs.*Deterministic"):
        make_vae(posterior=Deterministic(2), objective=[ImportanceWeighted()])
