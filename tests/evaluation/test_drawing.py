import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation.density import ExactGaussian
from tfvae.evaluation.drawing import CodeDrawer
from tfvae.evaluation.likelihood import SentenceScorer, importance_weighted_nll
from tfvae.evaluation.proposal import FittedProposal
from tfvae.latents import Deterministic, Implicit, SphericalUniform, VonMisesFisher
from tfvae.objectives import MMD, DualKL, Reconstruction


def score(model, tokens, num_samples, seed=0, **options):
    scorer = SentenceScorer(model, num_samples, jit_compile=False, **options)
    return scorer, scorer({"tokens": tokens}, seed)


def true_nll(tokens):
    return -np.atleast_1d(toy.marginal().logpdf(toy.features(tokens).numpy()))


def assert_equal_on_average(found, expected):
    excess = np.asarray(found, np.float64) - expected
    assert excess.std() > 0
    assert abs(excess.mean()) < 4 * excess.std(ddof=1) / len(excess) ** 0.5


def test_a_linear_implicit_posterior_is_scored_exactly():
    tokens = toy.random_tokens(50)
    scorer, scores = score(toy.implicit_vae(), tokens, 3)
    assert scorer.nll_method == "importance_weighted"
    assert scorer.kl_method == "closed_form"
    assert isinstance(scorer.codes.posterior, ExactGaussian)
    # With the true posterior any codes give the likelihood.
    np.testing.assert_allclose(scores.nll, true_nll(tokens), rtol=1e-5)
    gain, bias, covariance = toy.true_posterior()
    loc = toy.features(tokens).numpy() @ gain.T + bias
    kl = [toy.gaussian_kl(one, covariance, np.zeros(2), np.eye(2)) for one in loc]
    np.testing.assert_allclose(scores.kl, kl, rtol=1e-4)
    np.testing.assert_allclose(scores.mean, loc, rtol=1e-4, atol=1e-5)
    assert scores.mean_noise is None
    np.testing.assert_allclose(scores.nelbo, scores.reconstruction + kl, rtol=1e-5)


def test_the_fitted_proposal_agrees_with_the_exact_density():
    tokens = toy.random_tokens(300)
    linear, layered = (toy.implicit_vae(shift=0.3, layers=each) for each in (0, 1))
    exact = score(linear, tokens, 200, seed=1)[1].nll.numpy().astype(np.float64)
    assert_equal_on_average(exact, true_nll(tokens))
    for model, proposal in ((linear, FittedProposal()), (layered, None)):
        scorer, scores = score(model, tokens, 200, proposal=proposal)
        assert scorer.nll_method == "fitted_proposal"
        assert_equal_on_average(scores.nll, true_nll(tokens))
        assert_equal_on_average(scores.nll, exact)


def test_a_sampled_posterior_has_a_likelihood_and_no_bound_by_its_kl():
    inputs = {"tokens": toy.random_tokens(7)}
    model = toy.implicit_vae(layers=True)
    scorer, scores = score(model, inputs["tokens"], 5, seed=2)
    assert scorer.nll_method == "fitted_proposal" and scorer.kl_method is None
    assert scores.kl is scores.nelbo is scores.log_q is None
    assert scores.z.shape == (128, 7, 2)
    np.testing.assert_allclose(scores.mean, scores.z.numpy().mean(0), rtol=1e-4)
    chunked = score(model, inputs["tokens"], 5, seed=2, chunk_size=2)[1]
    np.testing.assert_allclose(chunked.nll, scores.nll, rtol=1e-5)
    function = importance_weighted_nll(model, inputs, 5, seed=2)
    np.testing.assert_allclose(function, scores.nll, rtol=1e-5)
    other = score(model, inputs["tokens"], 5, seed=3)[1]
    assert not np.array_equal(other.nll, scores.nll)


def test_weighted_codes_are_decoded_beside_the_posterior_s():
    inputs = {"tokens": support.batch()}
    posterior = Implicit(2, hidden_dims=(4,))
    model = support.make_vae(posterior=posterior, objective=[Reconstruction()])
    scores = score(model, inputs["tokens"], 4, seed=8)[1]
    drawn = CodeDrawer(model, 4)({"tokens": tf.constant(inputs["tokens"])}, [8, 0])
    own, weighted = (
        np.stack([model.decoder.log_prob(inputs["tokens"], z[None])[0] for z in codes])
        for codes in (drawn["z"][:4], drawn["proposed"])
    )
    np.testing.assert_allclose(scores.reconstruction, -own.mean(0), rtol=1e-5)
    weights = np.exp(weighted + drawn["log_ratio"].numpy())
    np.testing.assert_allclose(scores.nll, -np.log(weights.mean(0)), rtol=1e-5)


def test_a_critic_takes_128_draws_of_which_few_are_decoded():
    model = toy.implicit_vae(DualKL(hidden_dims=(4,)))
    scorer, scores = score(model, toy.random_tokens(4), 3)
    assert (scorer.num_samples, scores.z.shape[0]) == (3, 128)
    assert score(toy.implicit_vae(), toy.random_tokens(4), 3)[1].z.shape[0] == 3


def test_a_prior_without_a_density_leaves_reconstruction():
    model = support.make_vae(
        posterior=Implicit(2),
        prior=Implicit(2, hidden_dims=(3,)),
        objective=[Reconstruction(), MMD()],
    )
    scorer, scores = score(model, support.batch(), 3)
    assert scorer.nll_method is None
    assert scores.nll is scores.kl is scores.log_prior is None


def test_refuses_a_proposal_where_it_means_nothing():
    point = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    sphere = support.make_vae(posterior=VonMisesFisher(3), prior=SphericalUniform(3))
    for model, name in ((point, "Deterministic"), (sphere, "VonMisesFisher")):
        with pytest.raises(ValueError, match=f"`proposal` needs.*posterior={name}"):
            SentenceScorer(model, 3, proposal=FittedProposal())
