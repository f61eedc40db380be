import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import reference_logits, score_all, targets_of
from tests.support import BOS_ID, LENGTHS, VOCABULARY_SIZE, log_softmax, make_decoder
from tfvae.decoders import RecurrentDecoder

MEMORY_DIM = 3


def subsets(names):
    sizes = range(len(names) + 1)
    return [s for size in sizes for s in itertools.combinations(names, size)]


CASES = [("lstm", inject) for inject in subsets(("state", "cell", "steps", "first"))]
CASES += [("gru", inject) for inject in subsets(("state", "steps", "first"))]


def built(memory_dim=MEMORY_DIM, **options):
    decoder = make_decoder(**options)
    decoder.build(memory_dim)
    return decoder


def reference_log_probs(decoder, tokens, memory):
    return score_all(reference_logits, decoder, tokens, memory)


@pytest.fixture
def memory(rng):
    """Two samples for each of the rows, `[2, 5, 3]`."""
    return rng.normal(size=(2, len(LENGTHS), MEMORY_DIM)).astype("float32")


@pytest.mark.parametrize(("cell", "inject"), CASES)
def test_log_prob_logits_and_steps_agree_with_a_loop(tokens, memory, cell, inject):
    decoder = built(cell=cell, inject=inject)
    expected = reference_log_probs(decoder, tokens, memory)
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    logits = decoder.logits(tokens, tf.constant(memory)).numpy()
    assert logits.shape == (2, len(LENGTHS), 6, VOCABULARY_SIZE)
    expected = reference_logits(decoder, tokens[0].tolist(), memory[1, 0])
    np.testing.assert_allclose(logits[1, 0], expected, rtol=1e-4, atol=1e-5)
    state = decoder.initial_state(memory[1])
    words = np.full(len(LENGTHS), BOS_ID, "int32")
    for place in range(6):
        found, state = decoder.step(words, memory[1], state)
        np.testing.assert_allclose(found, logits[1, :, place], rtol=1e-4, atol=1e-5)
        words = tokens[:, place] if place < 5 else None


@pytest.mark.parametrize("projection_dim", [None, 6])
def test_projection_and_state_activation(tokens, memory, projection_dim):
    decoder = built(
        inject=("state", "cell"), state_activation="tanh", projection_dim=projection_dim
    )
    found = decoder.log_prob(tokens, tf.constant(memory))
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_log_prob_sums_the_words_and_the_end(tokens, memory):
    decoder = built()
    scores = log_softmax(decoder.logits(tokens, tf.constant(memory)))
    found = decoder.log_prob(tokens, tf.constant(memory)).numpy()
    for row, length in enumerate(LENGTHS):
        targets = targets_of(tokens[row, :length].tolist())
        for sample in range(2):
            chosen = scores[sample, row, np.arange(length + 1), targets]
            np.testing.assert_allclose(found[sample, row], chosen.sum(), rtol=1e-5)


def test_padding_does_not_change_log_prob(tokens, memory):
    decoder = built()
    padded = np.pad(tokens, [[0, 0], [0, 7]])
    found = decoder.log_prob(padded, tf.constant(memory))
    expected = decoder.log_prob(tokens, tf.constant(memory))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_samples_at_once_are_samples_one_by_one(tokens, memory):
    decoder = built(inject=("first", "steps", "state"))
    together = decoder.log_prob(tokens, tf.constant(memory))
    for sample in range(2):
        alone = decoder.log_prob(tokens, tf.constant(memory[sample : sample + 1]))
        np.testing.assert_allclose(together[sample], alone[0], rtol=1e-5)


def test_gradients_do_not_depend_on_the_number_of_samples(tokens, memory):
    # One sample keeps all logits, several recompute them in chunks.
    decoder = built()

    def gradients(values):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(decoder.log_prob(tokens, tf.constant(values)))
        weights = [v.value for v in decoder.trainable_variables]
        return [tf.convert_to_tensor(g) for g in tape.gradient(total, weights)]

    first, second = gradients(memory[:1]), gradients(memory[1:])
    for both, *parts in zip(gradients(memory), first, second, strict=True):
        np.testing.assert_allclose(both, sum(parts), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_mixed_precision_scores_in_float32(tokens, memory, cell):
    plain = built(cell=cell)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = built(cell=cell)
    finally:
        keras.config.set_dtype_policy("float32")
    decoder.set_weights(plain.get_weights())
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    # Eight bits of mantissa, on logits of about 1.
    expected = plain.log_prob(tokens, tf.constant(memory))
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_a_language_model_needs_no_memory(tokens):
    decoder = built(memory_dim=0, inject=())
    memory = np.zeros((1, len(LENGTHS), 0), "float32")
    found = decoder.log_prob(tokens, tf.constant(memory))
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inject": ("memory",)}, r"`inject` may hold.*\('memory',\)"),
        ({"inject": ("cell",), "cell": "gru"}, "'cell' only with `cell='lstm'`.*gru"),
        ({"cell": "rnn"}, "`cell` must be one of.*cell='rnn'"),
        ({"input_dropout": 1.0}, r"`input_dropout` must be in \[0, 1\).*=1.0"),
        ({"memory_dropout": -0.5}, r"`memory_dropout` must be in .*=-0.5"),
        ({"output_dropout": 2.0}, r"`output_dropout` must be in .*=2.0"),
        ({"word_dropout": 1.5}, r"`word_dropout` must be in \[0, 1\].*1.5"),
    ],
)
def test_constructor_errors(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentDecoder(VOCABULARY_SIZE, 3, 4, **options)


def test_first_needs_a_memory_of_the_width_of_a_word():
    with pytest.raises(
        ValueError, match="inject='first'.*to 3. Received: memory_dim=2"
    ):
        built(memory_dim=2, inject=("first",))
