import numpy as np
import pytest
import tensorflow as tf

from tests.support import (
    LENGTHS,
    VOCABULARY_SIZE,
    forward_record,
    log_softmax,
    make_decoder,
)
from tfvae.models import LanguageModel
from tfvae.objectives import BagOfWords, Reconstruction


def test_cost_is_the_mean_over_samples():
    forward = forward_record(
        log_likelihood=tf.constant([[-1.0, -2.0, 0.0], [-3.0, -6.0, -1.0]])
    )
    assert Reconstruction().cost(forward).numpy().tolist() == [2.0, 4.0, 0.5]


def test_cost_sums_the_words_and_averages_the_samples(tokens, rng):
    term = BagOfWords(hidden_dim=6)
    term.build(latent_dim=2, vocabulary_size=VOCABULARY_SIZE)
    z = rng.normal(size=(3, len(LENGTHS), 2)).astype("float32")
    found = term.cost(forward_record(inputs={"tokens": tokens}, z=z))
    kernel, bias = term.hidden.get_weights()
    last_kernel, last_bias = term.output_layer.get_weights()
    expected = np.zeros(len(LENGTHS))
    for row, length in enumerate(LENGTHS):
        for sample in range(3):
            hidden = np.tanh(z[sample, row] @ kernel + bias)
            scores = log_softmax(hidden @ last_kernel + last_bias)
            expected[row] -= sum(scores[w] for w in tokens[row, :length]) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert float(found[3]) == 0.0


def test_gradients_reach_the_latent(tokens):
    term = BagOfWords(hidden_dim=6)
    term.build(latent_dim=2, vocabulary_size=VOCABULARY_SIZE)
    z = tf.ones([1, len(LENGTHS), 2])
    with tf.GradientTape() as tape:
        tape.watch(z)
        cost = term.cost(forward_record(inputs={"tokens": tokens}, z=z))
    moved = np.abs(tape.gradient(cost, z)[0]).max(-1) > 0
    assert moved.tolist() == [length > 0 for length in LENGTHS]


def test_needs_a_latent():
    with pytest.raises(ValueError, match="`BagOfWords` reads latent codes"):
        LanguageModel(make_decoder(conditioning=()), objective=[BagOfWords()])
