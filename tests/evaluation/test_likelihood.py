import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests import support
from tests.evaluation import linear_gaussian as toy
from tests.support import batch, dataset, make_decoder, make_encoder, make_vae
from tfvae.encoders import ContextEncoder
from tfvae.evaluation.evaluate import evaluate
from tfvae.evaluation.likelihood import (
    SentenceScorer,
    context_gain,
    decoder_information,
    importance_weighted_nll,
    partners,
    perplexity,
)
from tfvae.evaluation.posterior import reports_critic
from tfvae.latents import Deterministic
from tfvae.models import LanguageModel, inference
from tfvae.objectives import (
    KL,
    CopulaLikelihood,
    DualKL,
    MutualInformation,
    Reconstruction,
)


def scorer(model, num_samples, **options):
    return SentenceScorer(model, num_samples, jit_compile=False, **options)


def true_nll(tokens):
    return -np.atleast_1d(toy.marginal().logpdf(toy.features(tokens).numpy()))


def test_true_posterior_gives_the_exact_likelihood_from_any_sample():
    tokens = toy.random_tokens(50)
    scores = scorer(toy.full_vae(), 3)({"tokens": tokens})
    np.testing.assert_allclose(scores.nll, true_nll(tokens), rtol=1e-5)


def test_function_agrees_with_the_closed_form():
    tokens = toy.random_tokens(20)
    nll = importance_weighted_nll(toy.full_vae(), {"tokens": tokens}, 2, seed=5)
    np.testing.assert_allclose(nll, true_nll(tokens), rtol=1e-5)


def test_importance_weights_are_unbiased():
    tokens = np.repeat(toy.random_tokens(1), 20000, axis=0)
    nll = scorer(toy.full_vae(shift=0.4), 3)({"tokens": tokens}, 1).nll.numpy()
    ratios = np.exp(true_nll(tokens[:1]) - nll.astype(np.float64))
    assert ratios.std() > 0.05
    assert abs(ratios.mean() - 1) < 4 * ratios.std() / len(ratios) ** 0.5


@pytest.mark.parametrize("make", [toy.diagonal_vae, lambda: toy.full_vae(0.3)])
def test_bound_is_looser_by_the_divergence_from_the_true_posterior(make):
    tokens = np.repeat(toy.random_tokens(1, seed=3), 5000, axis=0)
    model = make()
    scores = scorer(model, 4)({"tokens": tokens}, 2)
    gain, bias, covariance = toy.true_posterior()
    params = {name: value[:1] for name, value in scores.samples.encoded.params.items()}
    distribution = model.posterior.distribution(params)
    loc = distribution.mean().numpy()[0]
    if model.posterior.covariance == "full":
        own = distribution.covariance().numpy()[0]
    else:
        own = np.diag(distribution.variance().numpy()[0])
    true_loc = gain @ toy.features(tokens[:1]).numpy()[0] + bias
    gap = toy.gaussian_kl(loc, own, true_loc, covariance)
    nelbo = scores.nelbo.numpy().astype(np.float64)
    assert gap > 0.1
    error = 4 * nelbo.std() / len(nelbo) ** 0.5
    assert abs(nelbo.mean() - (true_nll(tokens[:1])[0] + gap)) < error
    prior_kl = toy.gaussian_kl(loc, own, np.zeros(2), np.eye(2))
    np.testing.assert_allclose(scores.kl, prior_kl, rtol=1e-5)
    np.testing.assert_allclose(
        scores.nelbo, scores.reconstruction + scores.kl, rtol=1e-6
    )


def test_tightens_with_samples_from_above():
    tokens = np.repeat(toy.random_tokens(1), 3000, axis=0)
    model = toy.diagonal_vae(scale=1.2)
    means, errors = [], []
    for num_samples in (1, 5, 50):
        nll = scorer(model, num_samples)({"tokens": tokens}, 4).nll.numpy()
        means.append(nll.mean(dtype=np.float64))
        errors.append(nll.std() / len(nll) ** 0.5)
    nelbo = scorer(model, 50)({"tokens": tokens}, 4).nelbo.numpy().mean()
    truth = true_nll(tokens[:1])[0]
    assert means[0] == pytest.approx(nelbo, abs=float(4 * errors[0]))
    assert means[0] - means[1] > 4 * (errors[0] + errors[1])
    assert means[1] - means[2] > 4 * (errors[1] + errors[2])
    assert means[2] > truth - 4 * errors[2]


def test_chunks_do_not_change_results():
    inputs = {"tokens": toy.random_tokens(6)}
    model = toy.diagonal_vae()
    whole = scorer(model, 7, chunk_size=7)(inputs, 3)
    # Chunks of 3 leave the last one to be filled up.
    for chunk_size in (1, 3, 5, None):
        cut = scorer(model, 7, chunk_size=chunk_size)(inputs, 3)
        np.testing.assert_allclose(cut.nll, whole.nll, rtol=1e-5)
        np.testing.assert_allclose(cut.reconstruction, whole.reconstruction, rtol=1e-5)


def test_no_more_codes_are_decoded_than_there_are(monkeypatch):
    inputs = {"tokens": toy.random_tokens(6)}
    run = scorer(toy.diagonal_vae(), 7)
    z = run(inputs, 3).samples.z
    whole, sizes, decode = run.log_likelihood(inputs, z), [], inference.decode
    monkeypatch.setattr(
        inference,
        "decode",
        lambda *args: sizes.append(args[2].shape[0]) or decode(*args),
    )
    part = run.log_likelihood(inputs, z[:2])
    assert sizes == [2]
    np.testing.assert_allclose(part, whole[:2], rtol=1e-5)


def test_is_a_function_of_its_seed():
    inputs = {"tokens": toy.random_tokens(6)}
    run = scorer(toy.diagonal_vae(), 2)
    first, again, other = run(inputs, 1), run(inputs, 1), run(inputs, 2)
    np.testing.assert_array_equal(first.nll, again.nll)
    assert not np.array_equal(first.nll, other.nll)


def test_weights_by_hand():
    inputs = {"tokens": support.batch()}
    model = support.make_vae()
    scores = scorer(model, 4, num_draws=6)(inputs, 8)
    assert scores.samples.z.shape == (6, 5, 2)
    z = scores.samples.z.numpy()[:4]
    log_likelihood = np.stack(
        [model.decoder.log_prob(inputs["tokens"], one[None])[0] for one in z]
    )
    params = scores.samples.encoded.params
    loc = params["loc"].numpy()
    scale = np.exp(params["log_variance"].numpy() / 2)
    log_q = (-0.5 * ((z - loc) / scale) ** 2 - np.log(scale)).sum(-1)
    log_p = (-0.5 * z**2).sum(-1)
    weights = np.exp(log_likelihood + log_p - log_q)
    np.testing.assert_allclose(scores.nll, -np.log(weights.mean(0)), rtol=1e-5)
    np.testing.assert_allclose(scores.reconstruction, -log_likelihood.mean(0), 1e-5)
    np.testing.assert_array_equal(scores.num_tokens, [6, 4, 2, 1, 5])


def test_compiled_agrees_sample_by_sample():
    inputs = {"tokens": support.batch()}
    model = support.make_vae()
    plain = scorer(model, 4, chunk_size=3)(inputs, 1)
    compiled = SentenceScorer(model, 4, chunk_size=3, jit_compile=True)(inputs, 1)
    np.testing.assert_allclose(compiled.nll, plain.nll, rtol=1e-4)


def test_language_model_is_exact():
    tokens = support.batch()
    model = LanguageModel(support.make_decoder(conditioning=()))
    nll = scorer(model, 10)({"tokens": tokens}).nll.numpy()
    logits = model.decoder.logits(tokens, tf.zeros([1, len(tokens), 0]))[0]
    log_probs = support.log_softmax(logits)
    for row, count in enumerate(support.LENGTHS):
        targets = [*tokens[row, :count], support.EOS_ID]
        expected = -log_probs[row, range(count + 1), targets].sum()
        assert nll[row] == pytest.approx(expected, rel=1e-5)


def test_no_likelihood_without_density():
    model = support.make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    inputs = {"tokens": support.batch()}
    with pytest.raises(ValueError, match="`reconstruction`.*Deterministic") as caught:
        importance_weighted_nll(model, inputs, 2)
    assert "\n" not in str(caught.value)
    scores = scorer(model, 5)(inputs)
    memory = model.posterior_params(inputs)["loc"][None]
    expected = -model.decoder.log_prob(inputs["tokens"], memory)[0]
    np.testing.assert_allclose(scores.reconstruction, expected, rtol=1e-5)
    assert scores.nll is scores.nelbo is scores.kl is None
    assert scores.samples.z.shape[0] == 1


@pytest.mark.parametrize(
    "options",
    [{"num_samples": 0}, {"num_samples": 2, "chunk_size": 0}]
    + [{"num_samples": 3, "num_draws": 2}],
)
def test_refuses_counts(options):
    with pytest.raises(ValueError, match="Received: num_"):
        SentenceScorer(support.make_vae(), **options)


def test_perplexity_by_hand():
    assert perplexity(np.log(8.0) * 10, 10) == pytest.approx(8.0)
    assert perplexity(30.0, 12) == pytest.approx(12.182493960703473)
    assert perplexity(1e30, 10) == np.inf
    with pytest.raises(ValueError, match="num_tokens=0"):
        perplexity(1.0, 0)


def score(model, tokens, num_samples=4):
    return scorer(model, num_samples)({"tokens": tokens}, 3)


def exact_critic(pairs):
    """Returns `log q(z|x) - log p(z)` from features and codes, side by side."""
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
    assert set(scores.reported) == {
        *("critic_kl", "critic_elbo", "critic_marginal_kl", "critic_mi")
    }
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
    assert reports_critic(model) and not reports_critic(toy.implicit_vae())
    # A critic whose value no paper reports takes no more samples.
    mine = support.make_vae(objective=[Reconstruction(), KL(), MutualInformation()])
    assert not reports_critic(mine)


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
        found = scores.reported["nelbo_minus_log_copula"][row]
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
        assert log_copula > 0


def test_usual_models_report_nothing_else():
    assert score(support.make_vae(), support.batch()).reported == {}


def test_partners_are_a_latin_rectangle():
    rows = partners(7, 5, seed=3)
    np.testing.assert_array_equal(rows[0], np.arange(7))
    for row in rows:
        assert sorted(row) == list(range(7))
    for column in rows.T:
        assert len(set(column)) == 5
    assert (partners(7, 2, 4)[1] != rows[1]).any()


def test_hand_values():
    # Three sentences whose one word is read off the code, with probability .8.
    words = np.array([[4], [5], [6]])
    codes = np.eye(3, dtype="float32")

    def score(inputs, z):
        own = np.take_along_axis(z, (inputs["tokens"] - 4)[None].repeat(3, 0), 2)
        return np.log(np.where(own[..., 0] > 0, 0.8, 0.1))

    found = decoder_information(
        score, [{"tokens": words[:2]}, {"tokens": words[2:]}], codes, num_codes=9
    )
    assert found.num_codes == 3
    np.testing.assert_allclose(found.gain, math.log(8.0), rtol=1e-6)
    # The mean of .8, .1 and .1 is 1 / 3.
    np.testing.assert_allclose(found.information, math.log(2.4), rtol=1e-6)
    metrics = found.metrics()
    assert metrics["latent_gain"] == pytest.approx(math.log(8.0))
    assert metrics["decoder_mi_cap"] == pytest.approx(math.log(3.0))
    assert metrics["latent_gain_se"] == pytest.approx(0.0, abs=1e-6)


def test_the_posterior_of_a_linear_gaussian_model():
    tokens = toy.random_tokens(600)
    result = evaluate(
        toy.full_vae(), dataset(tokens, 128), num_samples=2, jit_compile=False, seed=1
    )
    gain, bias, covariance = toy.true_posterior()
    features = toy.features(tokens).numpy()
    predicted = (features @ gain.T + bias) @ toy.LOADINGS.T + toy.OFFSET
    # E ||x - W z - b||^2 is a squared distance and a trace, which the exchange keeps.
    squared = ((features[:, None] - predicted[None]) ** 2).sum(-1) / (2 * toy.NOISE**2)
    own = np.diag(squared).mean()
    others = (squared.sum() - np.trace(squared)) / (600 * 599)
    error = abs(result["latent_gain"] - (others - own))
    assert error < 4 * result["latent_gain_se"]
    assert result["latent_gain_se"] < 0.1 * (others - own)
    spread = features @ gain.T
    of_means = np.cov(spread.T) + covariance
    # The mutual information, were the codes' marginal a Gaussian: the most it can be.
    largest = 0.5 * np.log(np.linalg.det(of_means) / np.linalg.det(covariance))
    assert 0.5 * largest < result["decoder_mi"] < largest


def test_a_decoder_that_reads_nothing_gains_nothing():
    tokens = batch()
    decoder = make_decoder(conditioning=("state",))
    model = make_vae(decoder=decoder)
    # The posteriors differ as before, and so does the mutual information.
    before = evaluate(model, dataset(tokens, 4), num_samples=2, jit_compile=False)
    kernel = decoder.memory_to_state.kernel
    kernel.assign(tf.zeros_like(kernel))
    after = evaluate(model, dataset(tokens, 4), num_samples=2, jit_compile=False)
    assert after["mi"] == before["mi"]
    assert before["latent_gain"] != 0.0
    assert after["latent_gain"] == pytest.approx(0.0, abs=1e-5)
    assert after["decoder_mi"] == pytest.approx(0.0, abs=1e-5)


def test_the_gain_of_contexts_by_hand():
    # The one word of a sentence is the one of its context with probability .8, each of
    # the two others with .1. The contexts are of other widths in each batch.
    batches = [
        {"tokens": np.array([[4], [5]]), "context": np.array([[4, 9], [5, 0]])},
        {"tokens": np.array([[6]]), "context": np.array([[6]])},
    ]
    seen = []

    def score(inputs, number):
        seen.append((number, inputs["context"].shape))
        is_own = inputs["tokens"][:, 0] == inputs["context"][:, 0]
        return -np.log(np.where(is_own, 0.8, 0.1))

    nll = np.full(3, -math.log(0.8))
    found = context_gain(score, batches, ("context",), nll)
    assert found["context_gain"] == pytest.approx(math.log(8.0))
    assert found["context_gain_se"] == pytest.approx(0.0, abs=1e-9)
    assert seen == [(0, (2, 2)), (1, (1, 2))]
    # The batches themselves stay.
    assert batches[1]["context"].shape == (1, 1)
    with pytest.raises(ValueError, match="at least 2 sentences"):
        context_gain(score, batches[1:], ("context",), nll[:1])


def test_the_gain_of_contexts_in_an_encoder_decoder():
    decoder = make_decoder(conditioning=("state",))
    model = LanguageModel(decoder, condition=ContextEncoder(make_encoder()))
    # Of two sentences each can only get the other's.
    inputs = {"tokens": batch((4, 2)), "context": batch((3, 1), seed=1)}
    swapped = {**inputs, "context": inputs["context"][::-1]}
    own, others = (
        -model.forward({key: tf.constant(value) for key, value in each.items()})
        .log_likelihood[0]
        .numpy()
        for each in (inputs, swapped)
    )
    data = tf.data.Dataset.from_tensor_slices(inputs).batch(1)
    result = evaluate(model, data, jit_compile=False)
    assert result["context_gain"] == pytest.approx((others - own).mean(), abs=1e-5)
    assert abs(result["context_gain"]) > 1e-4
    decoder.memory_to_state.kernel.assign(0.0 * decoder.memory_to_state.kernel)
    result = evaluate(model, data, jit_compile=False)
    assert result["context_gain"] == pytest.approx(0.0, abs=1e-5)


def test_refusals_and_what_has_none():
    with pytest.raises(ValueError, match="must be at least 2"):
        decoder_information(None, [], np.zeros([1, 2]))
    with pytest.raises(ValueError, match="`exchanged_codes` must be at least 2"):
        evaluate(make_vae(), dataset(batch()), exchanged_codes=1)
    model = LanguageModel(make_decoder(conditioning=()))
    assert "latent_gain" not in evaluate(model, dataset(batch()), jit_compile=False)
