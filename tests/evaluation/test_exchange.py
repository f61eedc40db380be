"""What a decoder reads in a code, where it is known."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import linear_gaussian as toy
from tests.support import batch, dataset, make_decoder, make_encoder, make_vae
from tfvae.encoders import ContextEncoder
from tfvae.evaluation.evaluate import evaluate
from tfvae.evaluation.likelihood import context_gain, decoder_information, partners
from tfvae.models import LanguageModel


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
