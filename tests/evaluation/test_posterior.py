import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.evaluation.likelihood import SentenceScorer, importance_weighted_nll
from tfvae.evaluation.posterior import (
    ExactGaussian,
    FittedProposal,
    PosteriorSampler,
    exact_mean,
    fit_gaussian,
    posterior_scales,
    with_density,
)
from tfvae.latents import (
    Deterministic,
    Gaussian,
    Implicit,
    PlanarFlow,
    SphericalUniform,
    StandardNormal,
    VonMisesFisher,
)
from tfvae.objectives import MMD, DualKL, Reconstruction
from tfvae.seeds import as_seed, fold_in


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
    assert isinstance(scorer.posterior_sampler.posterior, ExactGaussian)
    # With the true posterior any codes give the likelihood.
    np.testing.assert_allclose(scores.nll, true_nll(tokens), rtol=1e-5)
    gain, bias, covariance = toy.true_posterior()
    loc = toy.features(tokens).numpy() @ gain.T + bias
    kl = [toy.gaussian_kl(one, covariance, np.zeros(2), np.eye(2)) for one in loc]
    np.testing.assert_allclose(scores.kl, kl, rtol=1e-4)
    np.testing.assert_allclose(scores.samples.mean, loc, rtol=1e-4, atol=1e-5)
    assert scores.samples.mean_noise is None
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
    assert scores.kl is scores.nelbo is scores.samples.log_q is None
    assert scores.samples.z.shape == (128, 7, 2)
    z = scores.samples.z.numpy()
    np.testing.assert_allclose(scores.samples.mean, z.mean(0), rtol=1e-4)
    noise = z.var(0, ddof=1) / 128
    np.testing.assert_allclose(scores.samples.mean_noise, noise, rtol=1e-4)
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
    samples = PosteriorSampler(model, 4)(
        {"tokens": tf.constant(inputs["tokens"])}, [8, 0]
    )
    own, weighted = (
        np.stack([model.decoder.log_prob(inputs["tokens"], z[None])[0] for z in codes])
        for codes in (samples.z[:4], samples.proposed)
    )
    np.testing.assert_allclose(scores.reconstruction, -own.mean(0), rtol=1e-5)
    weights = np.exp(weighted + samples.log_ratio.numpy())
    np.testing.assert_allclose(scores.nll, -np.log(weights.mean(0)), rtol=1e-5)


def test_a_critic_takes_128_draws_of_which_few_are_decoded():
    model = toy.implicit_vae(DualKL(hidden_dims=(4,)))
    scorer, scores = score(model, toy.random_tokens(4), 3)
    assert (scorer.num_samples, scores.samples.z.shape[0]) == (3, 128)
    _, scores = score(toy.implicit_vae(), toy.random_tokens(4), 3)
    assert scores.samples.z.shape[0] == 3


def test_a_prior_without_a_density_has_no_divergence():
    model = support.make_vae(
        posterior=Implicit(2),
        prior=Implicit(2, hidden_dims=(3,)),
        objective=[Reconstruction(), MMD()],
    )
    scorer, scores = score(model, support.batch(), 3)
    assert scorer.nll_method == "prior_samples"
    assert scores.nelbo is scores.kl is scores.samples.log_prior is None


def test_refuses_a_proposal_where_it_means_nothing():
    point = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    sphere = support.make_vae(posterior=VonMisesFisher(3), prior=SphericalUniform(3))
    for model, name in ((point, "Deterministic"), (sphere, "VonMisesFisher")):
        with pytest.raises(ValueError, match=f"`proposal` needs.*posterior={name}"):
            SentenceScorer(model, 3, proposal=FittedProposal())


def made(latent, rng):
    latent.build(code_dim=4)
    return latent, latent(rng.normal(size=(3, 4)).astype("float32"))


def test_a_linear_implicit_posterior_has_the_density_of_a_gaussian(rng):
    latent, params = made(Implicit(2, 3), rng)
    exact = with_density(latent, params)
    assert isinstance(exact, ExactGaussian) and exact.has_density
    z, log_q = exact.sample(params, 2, as_seed(1))
    np.testing.assert_array_equal(z, latent.sample(params, 2, as_seed(1))[0])
    kernel = latent.of_noise.get_weights()[0]
    for row in range(3):
        mean = latent.mode(params).numpy()[row]
        gaussian = stats.multivariate_normal(mean, kernel.T @ kernel)
        np.testing.assert_allclose(log_q[:, row], gaussian.logpdf(z[:, row]), rtol=1e-4)


@pytest.mark.parametrize(
    "latent", [Implicit(2, hidden_dims=(5,)), Implicit(2, 1), Gaussian(2)]
)
def test_others_stay_what_they_are(rng, latent):
    assert with_density(*made(latent, rng)) is latent


def test_means(rng):
    latent, params = made(VonMisesFisher(5, 7.0), rng)
    mean = exact_mean(latent.distribution(params))
    ratio = special.ive(2.5, 7.0) / special.ive(1.5, 7.0)
    np.testing.assert_allclose(mean, ratio * latent.mode(params), rtol=1e-4)
    latent, params = made(Gaussian(2), rng)
    np.testing.assert_array_equal(
        exact_mean(latent.distribution(params)), params["loc"]
    )
    for latent in (Implicit(2, hidden_dims=(5,)), PlanarFlow(2)):
        latent, params = made(latent, rng)
        assert exact_mean(latent.distribution(params)) is None


def test_scales_of_gaussians(rng):
    latent, params = made(Gaussian(3), rng)
    expected = np.exp(params["log_variance"].numpy() / 2)
    np.testing.assert_allclose(posterior_scales(latent, params), expected, rtol=1e-5)


def test_scales_of_full_covariances(rng):
    latent, params = made(Gaussian(3, covariance="full"), rng)
    found = posterior_scales(latent, params)
    covariance = latent.distribution(params).covariance().numpy()
    expected = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_scales_from_samples(rng):
    latent, params = made(PlanarFlow(3), rng)
    found = posterior_scales(latent, params, num_samples=2000)
    noise = rng.normal(size=(20000, 3, 3)).astype("float32")
    start = params["loc"] + np.exp(params["log_variance"] / 2) * noise
    z = latent.distribution(params).transform(start)[0].numpy()
    np.testing.assert_allclose(found, z.std(0), rtol=4 / np.sqrt(4000))
    assert (posterior_scales(*made(Deterministic(3), rng)) == 0.0).all()


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
    latent.build(code_dim=4)
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
    with pytest.raises(ValueError, match="num_samples=1"):
        posterior_scales(None, {}, num_samples=1)
    with pytest.raises(ValueError, match="`num_draws` must be at least 2.*num_draws=1"):
        FittedProposal(1)
    with pytest.raises(ValueError, match="`prior_share` must be in.*prior_share=1.0"):
        FittedProposal(prior_share=1.0)
