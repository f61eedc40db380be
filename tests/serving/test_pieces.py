import numpy as np
import pytest
import tensorflow as tf

from tfvae.serving.pieces import PieceReader
from tfvae.text import WordpieceTokenizer

PIECES = [
    *"abcé",
    *(f"##{letter}" for letter in "abcdé"),
    *["ab", "abc", "##bc", "##cab", "walk", "##ing", "##ed", "##", "a##b", "##walk"],
]


@pytest.fixture
def tokenizer():
    """A tokenizer of few pieces, which leaves many words unknown."""
    return WordpieceTokenizer(vocabulary=PIECES)


def test_ids_are_those_of_tensorflow_text(tokenizer, rng):
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
    got = tf.function(PieceReader(tokenizer))(tf.constant(texts))
    wanted = tokenizer.tokenize(tf.constant(texts))
    assert got.to_list() == wanted.to_list()


def test_by_hand(tokenizer):
    ids = {piece: index + 4 for index, piece in enumerate(PIECES)}
    got = PieceReader(tokenizer)(tf.constant(["walking dad abcab", "", "ca"]))
    assert got.to_list() == [
        [ids["walk"], ids["##ing"], 3, ids["abc"], ids["##a"], ids["##b"]],
        [],
        [ids["c"], ids["##a"]],
    ]
    assert got.dtype == tf.int32


def test_no_words(tokenizer):
    got = PieceReader(tokenizer)(tf.constant(["", " "]))
    np.testing.assert_array_equal(got.row_lengths(), [0, 0])
