import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import (
    build_recurrent,
    reference_log_probs,
    reference_logits,
)
from tests.support import BOS_ID, EOS_ID, LENGTHS, VOCABULARY_SIZE, log_softmax
from tfvae.decoders import RecurrentDecoder
from tfvae.samplers import BeamSearch, Greedy
from tfvae.seeds import as_seed

ROWS = 64
MEMORY_DIM = 3
# What may be written beside `</s>`: `<unk>` and the words.
WORDS = range(3, VOCABULARY_SIZE)


def subsets(names):
    sizes = range(len(names) + 1)
    return [s for size in sizes for s in itertools.combinations(names, size)]


CASES = [
    ("lstm", conditioning)
    for conditioning in subsets(("state", "cell", "inputs", "bos"))
]
CASES += [
    ("gru", conditioning)
    for conditioning in subsets(("state", "inputs", "bos", "output"))
]


@pytest.fixture
def memory(rng):
    """Two samples for each of the rows, `[2, 5, 3]`."""
    return rng.normal(size=(2, len(LENGTHS), MEMORY_DIM)).astype("float32")


@pytest.mark.parametrize(("cell", "conditioning"), CASES)
def test_log_prob_logits_and_steps_agree_with_a_loop(
    tokens, memory, cell, conditioning
):
    decoder = build_recurrent(cell=cell, conditioning=conditioning)
    expected = reference_log_probs(decoder, tokens, memory)
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    logits = decoder.logits(tokens, tf.constant(memory)).numpy()
    assert logits.shape == (2, len(LENGTHS), 6, VOCABULARY_SIZE)
    expected = reference_logits(decoder, tokens[0].tolist(), memory[1, 0])
    np.testing.assert_allclose(logits[1, 0], expected, rtol=1e-4, atol=1e-5)
    state = decoder.initial_state(memory[1], 6)
    words = np.full(len(LENGTHS), BOS_ID, "int32")
    for place in range(6):
        found, state = decoder.next_logits(words, memory[1], state)
        np.testing.assert_allclose(found, logits[1, :, place], rtol=1e-4, atol=1e-5)
        words = tokens[:, place] if place < 5 else None


@pytest.mark.parametrize("skips", [(), ("output",)])
@pytest.mark.parametrize("projection_dim", [None, 6])
def test_projection_and_state_activation(tokens, memory, projection_dim, skips):
    decoder = build_recurrent(
        conditioning=("state", "cell", *skips),
        state_activation="tanh",
        projection_dim=projection_dim,
    )
    found = decoder.log_prob(tokens, tf.constant(memory))
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conditioning": ("memory",)}, r"`conditioning` may hold.*\('memory',\)"),
        (
            {"conditioning": ("cell",), "cell": "gru"},
            "'cell' only with an LSTM.*gru",
        ),
        ({"cell": "rnn"}, "`cell` must be one of.*cell='rnn'"),
        (
            {"memory_dropout": 0.5, "conditioning": ("state",)},
            r"needs 'inputs' in `conditioning`.*\('state',\)",
        ),
    ],
)
def test_constructor_errors(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentDecoder(VOCABULARY_SIZE, 3, 4, **options)


def test_bos_needs_a_memory_of_the_width_of_a_word():
    with pytest.raises(
        ValueError, match="conditioning='bos'.*to 3. Received: memory_dim=2"
    ):
        build_recurrent(memory_dim=2, conditioning=("bos",))


def without_history(decoder):
    """Makes each output depend on its own input alone: the forget gate is shut."""
    width = decoder.hidden_dim
    bias = decoder.recurrence.bias.numpy()
    bias[width : 2 * width] = -100.0
    decoder.recurrence.bias.assign(bias)
    recurrent = decoder.recurrence.recurrent_kernel
    recurrent.assign(np.zeros(recurrent.shape))


# With one component each, a mask kept for the whole sentence of two steps would give
# two different results, fresh masks give four.
@pytest.mark.parametrize("rate", ["input_dropout", "memory_dropout", "output_dropout"])
def test_masks_are_fresh_at_each_step(rate):
    decoder = build_recurrent(
        1, embedding_dim=1, hidden_dim=1, conditioning=("inputs",), **{rate: 0.5}
    )
    without_history(decoder)
    tokens = np.full((ROWS, 1), 4, "int32")
    memory = tf.ones([1, ROWS, 1])
    scores = decoder.log_prob(tokens, memory, seed=as_seed(1), training=True)
    assert len(np.unique(np.round(scores.numpy(), 4))) == 4


def test_a_skipped_memory_is_not_dropped(tokens, memory):
    decoder = build_recurrent(conditioning=("output",), output_dropout=0.5)
    ones = tf.ones([4, len(LENGTHS), 4])
    found = decoder.readout(ones, memory[0], as_seed(1), training=True).numpy()
    assert set(np.unique(found[..., :4])) == {0.0, 2.0}
    assert (found[..., 4:] == memory[0]).all()


def test_samplers_write_what_a_memory_that_skips_makes_likely(memory):
    decoder = build_recurrent(conditioning=("output",))
    decoder.output_layer.kernel.assign(3.0 * decoder.output_layer.kernel)
    rows = tf.constant(memory[0])
    # Beams enough for all beginnings, so that the search is exact.
    best = BeamSearch(len(WORDS), 0.0)(decoder, rows, 2, as_seed(0)).numpy()
    greedy = Greedy()(decoder, rows, 2, as_seed(0)).numpy()
    for row, u in enumerate(memory[0]):
        first = log_softmax(reference_logits(decoder, [], u))[-1]
        scores = {(EOS_ID, 0): first[EOS_ID]}
        for word in WORDS:
            then = log_softmax(reference_logits(decoder, [word], u))[-1]
            for last in (EOS_ID, *WORDS):
                scores[word, last] = first[word] + then[last]
        assert tuple(best[row]) == max(scores, key=scores.get)
        assert greedy[row, 0] == max((EOS_ID, *WORDS), key=first.__getitem__)
    # Only the vocabulary layer knows of the memory, and it makes a difference.
    assert len(np.unique(best, axis=0)) > 1


def test_a_memory_in_the_place_of_bos_is_dropped_like_a_word():
    decoder = build_recurrent(
        1, embedding_dim=1, hidden_dim=1, conditioning=("bos",), input_dropout=0.5
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
