"""What the recurrent decoder does in training only."""

import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import reference_logits, targets_of
from tests.support import UNK_ID, log_softmax, make_decoder
from tfvae.seeds import as_seed

ROWS = 64
RATES = ("input_dropout", "memory_dropout", "output_dropout", "word_dropout")


def built(memory_dim, **options):
    decoder = make_decoder(**options)
    decoder.build(memory_dim)
    return decoder


def without_history(decoder):
    """Makes each output depend on its own input alone: the forget gate shut."""
    width = decoder.hidden_dim
    bias = decoder.recurrence.bias.numpy()
    bias[width : 2 * width] = -100.0
    decoder.recurrence.bias.assign(bias)
    recurrent = decoder.recurrence.recurrent_kernel
    recurrent.assign(np.zeros(recurrent.shape))


@pytest.mark.parametrize("rate", RATES)
def test_acts_in_training_only_and_follows_the_seed(tokens, rng, rate):
    decoder = built(3, inject=("first", "steps"), **{rate: 0.5})
    plain = built(3, inject=("first", "steps"))
    plain.set_weights(decoder.get_weights())
    memory = tf.constant(rng.normal(size=(1, 5, 3)).astype("float32"))
    expected = plain.log_prob(tokens, memory).numpy()
    assert (decoder.log_prob(tokens, memory).numpy() == expected).all()
    seeds = [as_seed(1), as_seed(1), as_seed(2)]
    first, again, other = (
        decoder.log_prob(tokens, memory, seed=seed, training=True).numpy()
        for seed in seeds
    )
    assert (first != expected).any()
    assert (first == again).all()
    assert (first != other).any()
    assert (plain.log_prob(tokens, memory, training=True).numpy() == expected).all()


# With one component each, a mask kept for the whole sentence of two steps would give
# two different results, fresh masks give four.
@pytest.mark.parametrize("rate", ["input_dropout", "memory_dropout", "output_dropout"])
def test_masks_are_fresh_at_each_step(rate):
    decoder = built(1, embedding_dim=1, hidden_dim=1, inject=("steps",), **{rate: 0.5})
    without_history(decoder)
    tokens = np.full((ROWS, 1), 4, "int32")
    memory = tf.ones([1, ROWS, 1])
    scores = decoder.log_prob(tokens, memory, seed=as_seed(1), training=True)
    assert len(np.unique(np.round(scores.numpy(), 4))) == 4


def test_memory_put_first_is_dropped_like_a_word():
    decoder = built(
        1, embedding_dim=1, hidden_dim=1, inject=("first",), input_dropout=0.5
    )
    without_history(decoder)
    tokens = np.zeros((ROWS, 0), "int32")
    memory = tf.ones([1, ROWS, 1])
    scores = decoder.log_prob(tokens, memory, seed=as_seed(1), training=True).numpy()
    found = np.unique(np.round(scores, 4))
    expected = [
        log_softmax(reference_logits(decoder, [], np.array([value])))[0, 2]
        for value in (0.0, 2.0)
    ]
    np.testing.assert_allclose(found, sorted(expected), atol=1e-3)


def test_word_dropout_reads_unknown_words_but_scores_the_true_ones(tokens, rng):
    decoder = built(3, word_dropout=1.0)
    memory = rng.normal(size=(1, 5, 3)).astype("float32")
    found = decoder.log_prob(
        tokens, tf.constant(memory), seed=as_seed(1), training=True
    ).numpy()
    for row in range(5):
        words = [word for word in tokens[row].tolist() if word]
        unknown = [UNK_ID] * len(words)
        scores = log_softmax(reference_logits(decoder, unknown, memory[0, row]))
        expected = scores[np.arange(len(words) + 1), targets_of(words)].sum()
        np.testing.assert_allclose(found[0, row], expected, rtol=1e-4)
