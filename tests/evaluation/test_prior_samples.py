"""Likelihoods of linear-Gaussian models whose prior reads a context."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.encoders import ContextEncoder
from tfvae.evaluation import likelihood
from tfvae.evaluation.evaluate import evaluate
from tfvae.evaluation.latent import aggregate_metrics, information_given_context
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.posterior import moments
from tfvae.latents import Deterministic, Gaussian, Implicit
from tfvae.models import VAE
from tfvae.objectives import KL, Reconstruction
from tfvae.presets import SETTINGS, ModelBuilder
from tfvae.text import Batches, default_grammar

tfd = tfp.distributions

TINY = dataclasses.replace(
    SETTINGS["ivae"], embedding_dim=8, encoder_dim=8, decoder_dim=8, latent_dim=2
)
MAP = np.array([[0.5, -0.2, 0.3], [-0.4, 0.6, 0.1]])
SCALES = np.array([0.6, 0.9])
SHARES = np.array([0.3, 0.7])
SHIFTS = np.array([[1.0, -1.0], [-0.5, 0.8]])


class Mixture(Gaussian):
    """Two Gaussians on either side of the mean that a context gives."""

    def distribution(self, params):
        loc = params["loc"][:, None] + tf.constant(SHIFTS, tf.float32)
        scale = tf.exp(0.5 * params["log_variance"])[:, None] + 0.0 * loc
        return tfd.MixtureSameFamily(
            tfd.Categorical(probs=tf.constant(SHARES, tf.float32)),
            tfd.MultivariateNormalDiag(loc, scale),
        )

    def sample(self, params, num_samples, seed):
        distribution = self.distribution(params)
        z = distribution.sample(num_samples, seed=seed)
        return z, distribution.log_prob(z) if self.has_density else None


class SampledMixture(Mixture):
    """The same, of which it is not known that it has a density."""

    has_density = False


class SampledGaussian(Gaussian):
    """A Gaussian of which it is not known that it has a density."""

    has_density = False

    def sample(self, params, num_samples, seed):
        return super().sample(params, num_samples, seed)[0], None


def make_model(prior, posterior=None, **options):
    """Creates a model with `p(z|c)` about `MAP c` and a posterior near the true one."""
    posterior = posterior or Gaussian(2)
    if "objective" not in options:
        has_density = prior.has_density and posterior.has_density
        options["objective"] = [Reconstruction(), KL()] if has_density else None
        options["objective"] = options["objective"] or [Reconstruction()]
    model = VAE(
        toy.FeatureEncoder(),
        posterior,
        toy.GaussianDecoder(),
        prior=prior,
        condition=ContextEncoder(toy.FeatureEncoder()),
        context_to=("posterior", "prior"),
        **options,
    )
    set_heads(model.prior, MAP.T, 2 * np.log(SCALES))
    gain, bias, _ = toy.true_posterior()
    kernel = np.concatenate([gain.T, 0.3 * MAP.T])
    if isinstance(posterior, Gaussian):
        set_heads(posterior, kernel, np.full(2, 2 * np.log(0.9)), bias)
    return model


def set_heads(latent, kernel, log_variance, bias=0.0):
    heads = latent.heads
    heads["loc"].kernel.assign(kernel)
    heads["loc"].bias.assign(np.broadcast_to(bias, [2]))
    heads["log_variance"].kernel.assign(0 * kernel)
    heads["log_variance"].bias.assign(log_variance)


def make_inputs(num, seed=0):
    return {
        "tokens": np.repeat(toy.random_tokens(1, seed), num, axis=0),
        "context": np.repeat(toy.random_tokens(1, seed + 9), num, axis=0),
    }


def true_nll(inputs, mixture):
    """Computes `-log p(x|c)` of the first row in closed form."""
    x, c = (toy.features(inputs[key][:1]).numpy()[0] for key in ("tokens", "context"))
    loadings = toy.LOADINGS
    covariance = loadings @ np.diag(SCALES**2) @ loadings.T
    covariance += toy.NOISE**2 * np.eye(toy.NUM_FEATURES)
    shares, shifts = (SHARES, SHIFTS) if mixture else ([1.0], np.zeros([1, 2]))
    parts = [
        np.log(share)
        + stats.multivariate_normal(
            loadings @ (MAP @ c + shift) + toy.OFFSET, covariance
        ).logpdf(x)
        for share, shift in zip(shares, shifts, strict=True)
    ]
    return -special.logsumexp(parts)


@pytest.mark.parametrize(
    ("prior", "method"),
    [
        (Gaussian, "importance_weighted"),
        (SampledGaussian, "prior_samples"),
        (Mixture, "importance_weighted"),
        (SampledMixture, "prior_samples"),
    ],
)
def test_likelihood_is_unbiased(prior, method):
    inputs = make_inputs(4000)
    scorer = SentenceScorer(make_model(prior(2)), 10, jit_compile=False)
    nll = scorer(inputs, 1).nll.numpy().astype(np.float64)
    assert scorer.nll_method == method
    ratios = np.exp(true_nll(inputs, issubclass(prior, Mixture)) - nll)
    assert 0.01 < ratios.std() < 2
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / len(ratios) ** 0.5
    num = scorer.posterior_sampler.num_prior_samples
    assert num == (100 if method == "prior_samples" else None)


def test_prior_samples_agree_with_importance_weights():
    inputs = {"tokens": toy.random_tokens(30), "context": toy.random_tokens(30, 5)}
    weighted, plain = (
        SentenceScorer(make_model(prior(2)), 500, jit_compile=False)(inputs, 1).nll
        for prior in (Mixture, SampledMixture)
    )
    differences = plain.numpy() - weighted.numpy()
    # Sentences that the prior makes unlikely are scored worst: no code is near.
    assert abs(np.median(differences)) < 0.05
    assert differences.std() > 0


def test_as_metrics():
    data = tf.data.Dataset.from_tensor_slices(
        {"tokens": toy.random_tokens(20), "context": toy.random_tokens(20, 5)}
    ).batch(8)
    model = make_model(SampledMixture(2))
    result = evaluate(model, data, num_samples=3, jit_compile=False)
    assert result["nll_method"] == "prior_samples"
    assert result["num_prior_samples"] == 30
    assert not {"kl", "nelbo", "marginal_kl"} & set(result)
    assert {"nll", "perplexity", "context_gain", "mi_with_context"} <= set(result)
    assert "of 30 samples of the prior" in result["notes"][0]
    left_out = evaluate(model, data, num_samples=0, jit_compile=False)
    assert not {"nll", "num_prior_samples", "nll_method"} & set(left_out)


def test_a_posterior_of_one_code_has_a_likelihood_by_its_prior():
    inputs = make_inputs(2000)
    model = make_model(SampledGaussian(2), Deterministic(2))
    scorer = SentenceScorer(model, 10, jit_compile=False)
    nll = scorer(inputs, 1).nll.numpy().astype(np.float64)
    assert (scorer.nll_method, scorer.num_samples) == ("prior_samples", 1)
    ratios = np.exp(true_nll(inputs, False) - nll)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / len(ratios) ** 0.5


def test_codes_of_a_context_alone():
    # The encoder reads the context; the sentence's likelihood is a mean over q(z|c).
    model = VAE(
        toy.FeatureEncoder(),
        Gaussian(2),
        toy.GaussianDecoder(),
        encoder_reads="context",
    )
    set_heads(model.posterior, MAP.T, 2 * np.log(SCALES))
    inputs = make_inputs(4000)
    scorer = SentenceScorer(model, 20, jit_compile=False)
    scores = scorer(inputs, 1)
    assert scorer.nll_method == "context_samples" and scores.nelbo is None
    nll = scores.nll.numpy().astype(np.float64)
    truth = true_nll(inputs, False)
    ratios = np.exp(truth - nll)
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / len(ratios) ** 0.5
    # The reconstruction alone is a bound of it, without a divergence.
    assert scores.reconstruction.numpy().mean() > nll.mean() > truth
    data = tf.data.Dataset.from_tensors(inputs)
    result = evaluate(model, data, num_samples=2, groups="likelihood")
    assert "nelbo" not in result and "is no bound" in result["notes"][0]


class RecordingDecoder(toy.GaussianDecoder):
    """Notes how many codes are decoded at once."""

    def log_prob(self, tokens, memory, seed=None, training=False):
        self.sizes.append(memory.shape[0])
        return super().log_prob(tokens, memory, seed, training)


@pytest.mark.parametrize("num_samples", [10, 100])
def test_more_samples_take_no_more_memory(num_samples, monkeypatch):
    monkeypatch.setattr(likelihood, "_MAX_ROWS", 600)
    model = make_model(SampledGaussian(2))
    model.decoder.__class__, model.decoder.sizes = RecordingDecoder, []
    scorer = SentenceScorer(model, num_samples, jit_compile=False)
    # 4 sentences of 4 words and their ends: 600 rows are 30 codes.
    nll = scorer(make_inputs(4), 1).nll
    assert np.isfinite(nll).all()
    assert 0 < max(model.decoder.sizes) <= 30


def test_active_units_are_relative_to_the_prior():
    # A prior on twice the scale, with the codes, says the same.
    contexts, tokens = toy.random_tokens(200, 5), toy.random_tokens(200)
    data = tf.data.Dataset.from_tensors({"tokens": tokens, "context": contexts})
    found = []
    for factor in (1.0, 100.0):
        model = make_model(Gaussian(2))
        for latent in (model.prior, model.posterior):
            head = latent.heads["loc"]
            head.kernel.assign(factor * head.kernel)
            head.bias.assign(factor * head.bias)
            bias = latent.heads["log_variance"].bias
            bias.assign(bias + 2 * np.log(factor))
        # The first unit repeats what the prior says.
        own, of_prior = model.posterior.heads["loc"], model.prior.heads["loc"]
        kernel = own.kernel.numpy()
        kernel[:, 0] = np.concatenate([np.zeros(3), of_prior.kernel[:, 0]])
        own.kernel.assign(kernel)
        result = evaluate(model, data, groups="latent", jit_compile=False)
        found.append((result["active_units"], result["active_units_threshold"]))
    assert found == [(1, 0.01), (1, 0.01)]


@pytest.mark.parametrize("prior", [SampledMixture, Implicit])
def test_moments_of_a_prior_that_is_only_sampled(prior):
    support.reseed(3)
    latent = prior(2)
    latent.build(code_dim=3)
    params = latent(tf.constant(toy.features(toy.random_tokens(4))))
    if prior is Implicit:
        mean, scale, noise = moments(latent, latent.distribution(params), params)
        draws = latent.sample(params, 20_000, (1, 2))[0].numpy()
        expected, spread, expected_noise = draws.mean(0), draws.std(0), 1 / 1024
    else:
        mean, scale, noise = moments(latent, latent.distribution(params), params)
        loc = params["loc"].numpy()
        expected, expected_noise = loc + SHARES @ SHIFTS, 0.0
        between = SHARES @ (SHIFTS - SHARES @ SHIFTS) ** 2
        spread = np.sqrt(np.exp(params["log_variance"]) + between)
    assert noise == expected_noise
    np.testing.assert_allclose((mean - expected) / spread, 0.0, atol=5 / 32)
    np.testing.assert_allclose(scale / spread, 1.0, atol=5 / 45)


def test_aggregates_are_relative_to_the_priors():
    tokens = toy.random_tokens(400)
    inputs = {"tokens": tokens, "context": toy.random_tokens(400, 5)}
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(64)
    # A posterior that repeats its prior fits it, though the codes are far from 0.
    model = make_model(Gaussian(2))
    for latent, rows in ((model.prior, 0), (model.posterior, 3)):
        kernel = np.concatenate([np.zeros([rows, 2]), 20 * MAP.T])
        set_heads(latent, kernel, 2 * np.log(SCALES))
    found = aggregate_metrics(model, data)
    assert found["posterior_scale"] == pytest.approx(1.0, rel=1e-5)
    # About Z (Z + 3) / (4 N) nats are noise of the moments.
    assert found["moment_kl"] < 0.03 and abs(found["aggregated_mmd"]) < 0.05
    assert found["num_aggregated"] == 400
    # Twice as wide, and moved by one scale of the prior.
    set_heads(model.posterior, kernel, 2 * np.log(2 * SCALES), SCALES)
    found = aggregate_metrics(model, data)
    assert found["posterior_scale"] == pytest.approx(2.0, rel=1e-5)
    expected = toy.gaussian_kl(np.ones(2), 4 * np.eye(2), np.zeros(2), np.eye(2))
    assert found["moment_kl"] == pytest.approx(expected, rel=0.15)
    assert found["aggregated_mmd"] > 0.1
    # No standard normal is what a mixture's codes should look like.
    mixture = aggregate_metrics(make_model(SampledMixture(2)), data)
    assert "moment_kl" not in mixture and mixture["posterior_scale"] > 0


def gaussian_features(num, deviation, seed):
    """Samples token ids whose features are about `N(0, deviation^2)`."""
    x = np.random.default_rng(seed).normal(0, deviation, [num, toy.NUM_FEATURES])
    return np.clip(np.round(10 * x + 24), 4, 44).astype("int32")


def test_information_beyond_the_context():
    model, deviation, num = make_model(Gaussian(2)), 0.5, 1000
    groups = [
        {
            "tokens": gaussian_features(num, deviation, seed),
            "context": np.repeat(toy.random_tokens(1, seed), num, 0),
        }
        for seed in (3, 4)
    ]
    found = information_given_context(model, groups, num_samples=4)
    # Both q(z|c) and q(z|x, c) are Gaussians.
    gain, bias, _ = toy.true_posterior()
    # Rounding adds the variance of a uniform distribution.
    of_means = (deviation**2 + 0.1**2 / 12) * gain @ gain.T
    own = 0.9**2 * np.eye(2)
    information = 0.5 * np.linalg.slogdet(np.linalg.solve(own, of_means + own))[1]
    assert found["mi_given_context"] == pytest.approx(information, abs=0.03)
    marginal = []
    for group in groups:
        c = toy.features(group["context"][:1]).numpy()[0]
        difference = bias + 0.3 * MAP @ c - MAP @ c
        marginal.append(
            toy.gaussian_kl(difference, of_means + own, np.zeros(2), np.diag(SCALES**2))
        )
    error = 0.1 * np.mean(marginal)
    assert abs(found["marginal_kl_given_context"] - np.mean(marginal)) < error
    # One number of the two parts, of the same sentences.
    total = found["mi_given_context"] + found["marginal_kl_given_context"]
    assert found["kl"] == pytest.approx(total, rel=0.01)
    assert found["mi_given_context_cap"] == pytest.approx(np.log(num))
    assert 0 < found["mi_given_context"] < found["kl"]
    # A posterior that reads the context alone knows no more.
    own_head = model.posterior.heads["loc"]
    kernel = own_head.kernel.numpy()
    kernel[: toy.NUM_FEATURES] = 0
    own_head.kernel.assign(kernel)
    found = information_given_context(model, groups)
    assert abs(found["mi_given_context"]) < 1e-4 < found["kl"]


def test_information_beyond_the_context_of_the_grammar():
    # Answers to one question: at most the entropy of an answer, 8.6 nats, is left.
    grammar = default_grammar()
    pairs = list(grammar.sample_pairs(3, 1))
    answers = [grammar.sample_answers(p.context, 64, i) for i, p in enumerate(pairs)]
    rows = [{"text": a.text, "context": a.context} for each in answers for a in each]
    data = Batches(rows, batch_size=64, shuffle=False)
    support.reseed(1)
    model = ModelBuilder(TINY, data, jit_compile=False, context="text").vae(
        [Reconstruction(), KL()]
    )
    # Initial weights say next to nothing: the means of a question's answers spread.
    means = model.posterior_params(next(iter(data)))["loc"]
    kernel = model.posterior.heads["loc"].kernel
    kernel.assign(kernel / tf.math.reduce_std(means, axis=0))
    found = information_given_context(model, data, num_samples=20)
    assert 0.1 < found["mi_given_context"] <= found["mi_given_context_cap"]
    total = found["mi_given_context"] + found["marginal_kl_given_context"]
    assert found["kl"] == pytest.approx(total, rel=0.02)


def test_information_beyond_the_context_is_refused():
    rows = {"tokens": toy.random_tokens(4), "context": toy.random_tokens(4, 5)}
    for model, groups, message in (
        (make_model(Gaussian(2)), [rows], "all of one context. Received: group 0"),
        (make_model(Gaussian(2)), [], "at least one group"),
        (make_model(SampledGaussian(2)), [rows], "with densities.*SampledGaussian"),
        (toy.full_vae(), [rows], r"must have a condition.*requires=\(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            information_given_context(model, groups)
