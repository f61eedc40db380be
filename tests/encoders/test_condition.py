"""Conditions read what stands beside the sentence, and nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, make_encoder
from tfvae.encoders import (
    ContextEncoder,
    JoinedConditions,
    LabelEncoder,
    TurnEncoder,
)
from tfvae.seeds import as_seed

TURNS = np.array(
    [
        [[0, 0, 0], [5, 6, 0], [7, 0, 0]],
        [[8, 9, 4], [5, 0, 0], [6, 6, 0]],
        [[0, 0, 0], [0, 0, 0], [9, 8, 7]],
    ],
    "int32",
)


def built(condition):
    condition.build()
    return condition


def test_one_text_is_what_its_encoder_says():
    condition = built(ContextEncoder(make_encoder()))
    context = tf.constant(TURNS[:, 2])
    found = condition({"context": context, "tokens": None})
    np.testing.assert_array_equal(found, condition.encoder(context))
    assert condition.requires == ("context",)
    assert condition.context_dim == found.shape[-1]
    # Of several turns the last one.
    np.testing.assert_array_equal(condition({"context": tf.constant(TURNS)}), found)


@pytest.mark.parametrize("speakers", [True, False])
def test_turns_that_are_missing_change_nothing(speakers):
    condition = built(TurnEncoder(make_encoder(), 6, speakers))
    found = condition({"context": tf.constant(TURNS)}).numpy()
    assert found.shape == (3, 6)
    two = condition({"context": tf.constant(TURNS[:1, 1:])})
    np.testing.assert_allclose(found[:1], two, rtol=1e-5, atol=1e-6)
    one = condition({"context": tf.constant(TURNS[2:, 2])})
    np.testing.assert_allclose(found[2:], one, rtol=1e-5, atol=1e-6)


def test_the_order_of_turns_and_words_matters():
    condition = built(TurnEncoder(make_encoder(), 6))
    found = condition({"context": tf.constant(TURNS[1:2])})
    swapped = condition({"context": tf.constant(TURNS[1:2, ::-1])})
    assert np.abs(found - swapped).max() > 1e-4


def test_speakers_alternate_back_from_the_response():
    # Of a code that says nothing the marks alone are left.
    encoder = make_encoder()
    condition = built(TurnEncoder(encoder, 6))
    codes = tf.zeros([1, 4])
    marks = condition._speakers(1, 3, codes).numpy()[0]
    # The last turn is the other's, the one before it the own, and so on.
    np.testing.assert_array_equal(marks, [[0, 1], [1, 0], [0, 1]])


def test_a_dialogue_without_turns_is_zero():
    condition = built(TurnEncoder(make_encoder(), 6))
    empty = condition({"context": tf.zeros([2, 3, 4], tf.int32)})
    np.testing.assert_array_equal(empty, np.zeros([2, 6]))


def test_labels():
    inputs = {"label": tf.constant([2, 0])}
    found = built(LabelEncoder(3))(inputs)
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0]])
    learned = built(LabelEncoder(3, 5))
    assert learned(inputs).shape == (2, 5)
    np.testing.assert_allclose(
        learned(inputs), tf.gather(learned.vectors.kernel, [2, 0]), rtol=1e-6
    )


def test_several_side_by_side():
    text = ContextEncoder(make_encoder())
    joined = built(JoinedConditions([text, LabelEncoder(3)]))
    inputs = {"context": tf.constant(TURNS[:, 2]), "label": tf.constant([0, 1, 2])}
    found = joined(inputs).numpy()
    assert joined.requires == ("context", "label")
    assert joined.context_dim == text.context_dim + 3 == found.shape[1]
    assert joined.vocabulary_size == VOCABULARY_SIZE
    np.testing.assert_array_equal(found[:, :-3], text(inputs))
    np.testing.assert_array_equal(found[:, -3:], np.eye(3))


def test_dropout_follows_its_seed():
    condition = built(TurnEncoder(make_encoder(dropout=0.5), 6, dropout=0.5))
    inputs = {"context": tf.constant(TURNS)}
    first, again, other = (
        condition(inputs, seed=as_seed(seed), training=True) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TurnEncoder(make_encoder(), 0), "`hidden_dim` must be positive"),
        (lambda: TurnEncoder(make_encoder(), 3, dropout=1.0), "dropout"),
        (lambda: LabelEncoder(1), "`num_labels` must be at least 2"),
        (lambda: LabelEncoder(3, 0), "`embedding_dim` positive"),
        (lambda: JoinedConditions([]), "must hold a condition"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
