import numpy as np
import pytest
import tensorflow as tf

from tfvae.latents import Implicit, PlanarFlow, VonMisesFisher
from tfvae.seeds import fold_in, uniform
from tfvae.serving.per_example import (
    PerExampleSampler,
    WordpieceLookup,
    sample_noise,
    sample_per_example,
)
from tfvae.text import WordpieceTokenizer

SEEDS = np.array([[1, 2], [3, 4], [-5, 6]], np.int32)
PIECES = [
    *"abcé",
    *(f"##{letter}" for letter in "abcdé"),
    *["ab", "abc", "##bc", "##cab", "walk", "##ing", "##ed", "##", "a##b", "##walk"],
]


@pytest.mark.parametrize("kind", [Implicit, PlanarFlow, VonMisesFisher])
def test_codes_are_those_of_a_row_alone(kind):
    latent = kind(3)
    latent.build(code_dim=4)
    params = latent(tf.random.stateless_normal([3, 4], [1, 1]))
    z, log_q = tf.function(sample_per_example, autograph=False)(
        latent, params, SEEDS, 6, 5
    )
    for row, seed in enumerate(SEEDS):
        alone = {name: value[row : row + 1] for name, value in params.items()}
        wanted, density = latent.sample(alone, 5, fold_in(seed, 6))
        np.testing.assert_allclose(z[:, row], wanted[:, 0], 1e-5, 1e-6)
        if density is None:
            assert log_q is None
        else:
            np.testing.assert_allclose(log_q[:, row], density[:, 0], 1e-5, 1e-5)


def test_noise_is_that_of_a_row_alone():
    noise = sample_noise(SEEDS, 7, 4)
    for row, seed in enumerate(SEEDS):
        np.testing.assert_array_equal(noise[row], uniform([4, 2], fold_in(seed, 7)))


def test_temperature_is_a_rows_own():
    logits = tf.math.log([[0.1, 0.6, 0.3]] * 4)
    sampler = PerExampleSampler(tf.constant([0.0, -1.0, 1.0, np.nan]))
    noise = np.full([4, 2, 2], 0.05, np.float32)
    noise = sampler.noise(noise, 1, 4)
    assert sampler.choose(logits, noise).numpy().tolist() == [1, 1, 0, 1]
    assert sampler.temperature.numpy().tolist() == [1.0, 1.0, 1.0, 1.0]


@pytest.fixture
def tokenizer():
    """A tokenizer of few pieces, which leaves many words unknown."""
    return WordpieceTokenizer(vocabulary=PIECES)


def test_wordpieces_are_those_of_tensorflow_text(tokenizer, rng):
    texts = ["", "  ", "walking walked", "x", "ax <s> </s> <unk> <pad>", "é éa aé"]
    texts += [
        "## a##b ##a",
        "awalk walkwalked",
        "abcabcabc " + "a" * 100,
        "a" * 101,
        "é" * 50,
        "é" * 51,
    ]
    letters = list("abcdé") + [" ", "x"]
    probabilities = [0.25, 0.2, 0.2, 0.1, 0.08, 0.15, 0.02]
    for length in rng.integers(1, 40, 200):
        texts.append("".join(rng.choice(letters, length, p=probabilities)))
    got = tf.function(WordpieceLookup(tokenizer))(tf.constant(texts))
    wanted = tokenizer.tokenize(tf.constant(texts))
    assert got.to_list() == wanted.to_list()


def test_wordpieces_by_hand(tokenizer):
    ids = {piece: index + 4 for index, piece in enumerate(PIECES)}
    got = WordpieceLookup(tokenizer)(tf.constant(["walking dad abcab", "", "ca"]))
    assert got.to_list() == [
        [ids["walk"], ids["##ing"], 3, ids["abc"], ids["##a"], ids["##b"]],
        [],
        [ids["c"], ids["##a"]],
    ]
    assert got.dtype == tf.int32


def test_wordpieces_of_no_words(tokenizer):
    got = WordpieceLookup(tokenizer)(tf.constant(["", " "]))
    np.testing.assert_array_equal(got.row_lengths(), [0, 0])
