import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tfvae.decoders import Bridge
from tfvae.evaluation.density import exact_mean
from tfvae.evaluation.reported import REPORTED
from tfvae.evaluation.suite import DEFINITIONS, _activity, evaluate, format_table
from tfvae.latents import (
    Deterministic,
    Gaussian,
    Implicit,
    Latent,
    PlanarFlow,
    SphericalUniform,
    VonMisesFisher,
)
from tfvae.models import LanguageModel
from tfvae.objectives import DualKL, Reconstruction

tfd = tfp.distributions

FITTED = {"proposal_prior_share", "proposal_draws", "active_units_noise"}
# What a posterior with a density has.
ALL_KEYS = set(DEFINITIONS) - set(REPORTED) - FITTED


def measure(model, tokens, batch_size=None, **options):
    options = {"num_samples": 3, "jit_compile": False} | options
    return evaluate(model, support.dataset(tokens, batch_size), **options)


def test_linear_gaussian_from_end_to_end():
    tokens = toy.random_tokens(400)
    result = measure(
        toy.full_vae(), tokens, 150, mi_samples=4, per_sentence=True, seed=6
    )
    of_sentence = result.pop("per_sentence")
    assert set(result) == ALL_KEYS
    assert json.loads(json.dumps(result)) == result

    true_nll = -toy.marginal().logpdf(toy.features(tokens).numpy())
    np.testing.assert_allclose(of_sentence["nll"], true_nll, rtol=1e-5)
    assert result["nll"] == pytest.approx(true_nll.mean(), rel=1e-5)
    assert result["nll_se"] == pytest.approx(true_nll.std(ddof=1) / 20, rel=1e-4)
    # Four words and `</s>` each; the bound of the true posterior is tight.
    assert (result["num_sentences"], result["num_tokens"]) == (400, 2000)
    assert result["perplexity"] == pytest.approx(np.exp(true_nll.sum() / 2000), 1e-5)
    gap = of_sentence["nelbo"] - true_nll
    assert abs(gap.mean()) < 4 * gap.std() / 20
    expected = np.exp(result["nelbo"] * 400 / 2000)
    assert result["perplexity_nelbo"] == pytest.approx(expected, 1e-5)

    gain, bias, covariance = toy.true_posterior()
    loc = toy.features(tokens).numpy() @ gain.T + bias
    kl = [toy.gaussian_kl(one, covariance, np.zeros(2), np.eye(2)) for one in loc]
    np.testing.assert_allclose(of_sentence["kl"], kl, rtol=1e-4)
    assert result["kl_method"] == "closed_form"
    assert result["active_units"] == (loc.var(0, ddof=1) > 0.01).sum() == 2
    noise = np.random.default_rng(1).multivariate_normal([0, 0], covariance, 400)
    log_q = stats.multivariate_normal([0, 0], covariance).logpdf(noise)
    spread = (log_q - stats.norm.logpdf(loc + noise).sum(-1) - kl).std()
    identity = result["kl"] - result["mi"] - result["marginal_kl"]
    assert abs(identity) < 4 * spread / 1600**0.5
    assert 0 < result["mi_batch"] < result["mi_batch_cap"] == math.log(32)
    assert 0 < result["mi"] < result["mi_cap"] == math.log(400)
    assert (result["mi_batch_size"], result["mi_loo_samples"]) == (32, 399)


def test_collapsed_model():
    model = support.make_vae()
    for head in model.posterior.heads.values():
        head.kernel.assign(tf.zeros_like(head.kernel))
        head.bias.assign(tf.zeros_like(head.bias))
    result = measure(model, support.batch((3, 5, 1, 4) * 5), 8)
    assert result["active_units"] == 0
    for key in ("kl", "mi", "mi_batch", "mi_loo", "marginal_kl"):
        assert abs(result[key]) < 1e-5
    assert result["nelbo"] == pytest.approx(result["reconstruction"])


def test_caps_and_leave_one_out_of_separated_codes():
    model = toy.diagonal_vae(scale=0.01)
    head = model.posterior.heads["loc"]
    head.kernel.assign(30 * head.kernel)
    # 40 different sentences in 2 batches.
    tokens = np.stack([np.arange(4, 44)] * 4, axis=1).astype("int32")
    result = measure(model, tokens, 25, mi_batch_size=8, loo_samples=9)
    assert result["mi_batch"] == pytest.approx(np.log(8), abs=1e-3)
    assert result["mi"] == pytest.approx(np.log(40), abs=1e-3)
    assert result["mi_loo"] > 100
    assert result["mi_loo_samples"] == 9


def test_independent_of_chunks_and_reproducible():
    model, tokens = toy.diagonal_vae(), toy.random_tokens(5)
    first = measure(model, tokens, 2, seed=3, chunk_size=1)
    again = measure(model, tokens, 2, seed=3, chunk_size=2)
    other = measure(model, tokens, 2, seed=4)
    for key in ("nll", "mi", "reconstruction"):
        assert first[key] == pytest.approx(again[key], rel=1e-5)
        assert first[key] != other[key]
    assert measure(model, tokens, 2, seed=3, chunk_size=1) == first


def test_full_covariance_posterior():
    model = support.make_vae(posterior=Gaussian(3, covariance="full"))
    result = measure(model, support.batch(), 3)
    assert set(result) == ALL_KEYS
    assert result["kl_method"] == "closed_form"
    assert result["latent_dim"] == 3


def test_monte_carlo_kl_of_a_posterior_without_a_closed_form():
    class Laplace(Gaussian):
        sample = Latent.sample

        def distribution(self, params):
            scale = tf.exp(0.5 * params["log_variance"])
            return tfd.Independent(tfd.Laplace(params["loc"], scale), 1)

    model = support.make_vae(posterior=Laplace(1))
    tokens = np.repeat(support.batch(), 400, axis=0)
    result = measure(model, tokens, num_samples=2, per_sentence=True, loo_samples=9)
    assert result["kl_method"] == "monte_carlo"
    params = model.encode({"tokens": support.batch()})
    loc = params["loc"].numpy()[:, 0]
    scale = np.exp(params["log_variance"].numpy()[:, 0] / 2)
    # E[log q] = -1 - log(2 scale); E[z^2] = loc^2 + 2 scale^2.
    cross = 0.5 * np.log(2 * np.pi) + 0.5 * (loc**2 + 2 * scale**2)
    expected = cross - 1 - np.log(2 * scale)
    error = result["per_sentence"]["kl"].std() / 2000**0.5
    assert abs(result["kl"] - expected.mean()) < 4 * error


def test_a_linear_implicit_posterior_has_exact_figures():
    tokens = toy.random_tokens(60)
    result = measure(toy.implicit_vae(DualKL(hidden_dims=(4,))), tokens, 20)
    critic = {"critic_kl", "critic_elbo"}
    assert set(result) == ALL_KEYS | critic | {"notes"}
    true_nll = -toy.marginal().logpdf(toy.features(tokens).numpy())
    assert result["nll"] == pytest.approx(true_nll.mean(), rel=1e-5)
    total = result["reconstruction"] + result["critic_kl"]
    assert result["critic_elbo"] == pytest.approx(total, rel=1e-5)
    assert "linear network" in result["notes"][0]


def test_a_sampled_posterior_has_no_divergence():
    model = support.make_vae(
        posterior=Implicit(2, hidden_dims=(4,)), objective=[Reconstruction()]
    )
    posterior = model.posterior
    # An ignored sentence: the noise alone moves the code.
    posterior.of_code.kernel.assign(0.0 * posterior.of_code.kernel)
    tokens = support.batch((3, 5, 1, 4) * 50)
    result = measure(model, tokens, 100, num_samples=20)
    draws = posterior.sample(model.encode({"tokens": tokens[:1]}), 4000, [0, 0])[0]
    expected = draws.numpy().var(0).max() / 128
    assert result["active_units_noise"] == pytest.approx(expected, rel=0.1)
    assert result["active_units"] == 0
    absent = {"kl", "kl_method", "nelbo", "nelbo_se", "perplexity_nelbo", "marginal_kl"}
    absent |= {key for key in ALL_KEYS if key.startswith("mi")}
    assert set(result) == (ALL_KEYS | FITTED | {"notes"}) - absent
    assert result["nll_method"] == "fitted_proposal"
    assert (result["proposal_prior_share"], result["proposal_draws"]) == (0.1, 512)
    assert "`Implicit`" in result["notes"][0]
    short = measure(model, tokens, 100, num_samples=0)
    assert not {"nll", "nll_method", "proposal_draws"} & set(short)


def test_active_units_of_a_flow_that_ignores_the_sentence():
    model = support.make_vae(posterior=PlanarFlow(2, 2))
    for head in model.posterior.base.heads.values():
        head.kernel.assign(tf.zeros_like(head.kernel))
    result = measure(model, support.batch((3, 5, 1, 4) * 50), 100, num_samples=1)
    # 1/128 of a variance of about 1, which would be close to the threshold.
    assert 0.006 < result["active_units_noise"] < 0.01
    assert result["active_units"] == 0


def test_active_units_on_a_sphere():
    model = support.make_vae(
        encoder=toy.FeatureEncoder(),
        posterior=VonMisesFisher(3, 30.0),
        prior=SphericalUniform(3),
        decoder=toy.GaussianDecoder(),
        bridge=Bridge((2,)),
    )
    result = measure(model, toy.random_tokens(50), num_samples=1, mi_samples=0)
    assert result["active_units"] == 3
    assert result["active_units_threshold"] == pytest.approx(0.01 / 3)


@pytest.mark.parametrize(
    ("concentration", "spread", "active"),
    [(5.0, 1.0, 8), (5.0, 0.0, 0), (0.5, 1.0, 0), (1.5, 1.0, 8)],
)
def test_active_units_of_directions(rng, concentration, spread, active):
    latent = VonMisesFisher(8, concentration)
    directions = 1.0 + spread * (rng.normal(size=(4000, 8)) - 1.0)
    params = {"direction": tf.constant(directions, tf.float32)}
    means = exact_mean(latent.distribution(params))
    # Uniform directions have the variance 1/8 a coordinate, and their means that times
    # the square of E[cosine]: 0.06 at 0.5 and 0.18 at 1.5, on both sides of 0.1.
    assert _activity(latent, {"mean": means})["active_units"] == active


def test_language_model():
    tokens = support.batch()
    model = LanguageModel(support.make_decoder(inject=()))
    result = measure(model, tokens, 2, per_sentence=True)
    whole = -model.decoder.log_prob(tokens, tf.zeros([1, 5, 0]))[0].numpy()
    np.testing.assert_allclose(result.pop("per_sentence")["nll"], whole, rtol=1e-5)
    assert set(result) == {
        *("nll", "nll_method", "nll_se", "perplexity", "num_sentences", "num_tokens")
    }
    assert result["num_tokens"] == sum(support.LENGTHS) + 5
    expected = np.exp(whole.sum() / result["num_tokens"])
    assert result["perplexity"] == pytest.approx(expected, rel=1e-5)


def test_deterministic_codes_have_reconstruction_only():
    model = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    result = measure(model, support.batch())
    assert set(result) == {
        *("reconstruction", "active_units", "active_units_threshold", "latent_dim"),
        *("num_samples", "seed", "num_sentences", "num_tokens", "notes"),
    }
    assert result["num_samples"] == 1
    assert "Deterministic" in result["notes"][0]
    assert result["notes"][0] in format_table(result)


@pytest.mark.parametrize("num_samples", [0, None])
def test_without_samples_there_is_a_bound_and_no_likelihood(num_samples):
    result = measure(
        toy.diagonal_vae(), toy.random_tokens(5), num_samples=num_samples, mi_samples=0
    )
    assert not {"nll", "perplexity", "nll_se", "mi", "marginal_kl"} & set(result)
    assert {"nelbo", "perplexity_nelbo", "kl", "active_units"} < set(result)
    assert result["num_samples"] == 1
    assert result["notes"]


def test_one_sentence():
    result = measure(toy.diagonal_vae(), toy.random_tokens(5)[:1])
    assert not {"nll_se", "nelbo_se", "mi_loo", "active_units"} & set(result)
    assert result["num_sentences"] == 1
    assert abs(result["mi"]) < 1e-5


def test_reports_progress():
    done = []

    class Bar:
        update = staticmethod(done.append)

    measure(toy.diagonal_vae(), toy.random_tokens(5), 2, progress=Bar())
    assert done == [1, 2, 3]


def test_reads_any_iterable_of_dicts():
    model, tokens = toy.diagonal_vae(), toy.random_tokens(5)
    result = evaluate(model, [{"tokens": tokens}], num_samples=3, jit_compile=False)
    assert result == measure(model, tokens)


@pytest.mark.parametrize(
    "options",
    [{"num_samples": -1}, {"mi_samples": -1}, {"mi_batch_size": 0}, {"loo_samples": 0}],
)
def test_refuses_counts(options):
    with pytest.raises(ValueError, match="Received: .*=(-1|0)"):
        measure(toy.diagonal_vae(), toy.random_tokens(5), **options)


def test_refuses_no_data_and_endless_data():
    model = toy.diagonal_vae()
    with pytest.raises(ValueError, match="at least one batch"):
        evaluate(model, [])
    with pytest.raises(ValueError, match="infinite"):
        evaluate(model, support.dataset(toy.random_tokens(5)).repeat())


def test_table_names_every_figure():
    result = measure(toy.diagonal_vae(), toy.random_tokens(5))
    assert len(format_table(result).split("\n")) == len(set(result) & ALL_KEYS)
