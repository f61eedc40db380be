import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import score_all, targets_of
from tests.decoders.reference_convolutional import reference_logits
from tests.support import (
    BOS_ID,
    EOS_ID,
    LENGTHS,
    UNK_ID,
    VOCABULARY_SIZE,
    assert_same_weights,
    log_softmax,
    make_vae,
)
from tfvae.decoders import ConvolutionalDecoder
from tfvae.latents import Gaussian
from tfvae.models import LanguageModel

MEMORY_DIM = 2
NUM_WORDS = 9
# Initial weights, so that scales, shifts and biases all matter to the comparisons.
SPREAD = keras.initializers.RandomNormal(0.0, 0.5, seed=3)


def built(memory_dim=MEMORY_DIM, **options):
    options = {"size": (1, 2), "initializer": SPREAD.clone()} | options
    decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, **options)
    decoder.build(memory_dim)
    weights = np.random.default_rng(1)
    for block in getattr(decoder, "blocks", ()):
        for norm in (block.first_norm, block.past_norm, block.last_norm):
            norm.set_weights([weights.normal(1, 0.3, 4), weights.normal(0, 0.3, 4)])
    return decoder


def reference_log_probs(decoder, tokens, memory):
    return score_all(reference_logits, decoder, tokens, memory)


@pytest.fixture
def memory(rng):
    """Two samples for each of the rows, `[2, 5, 2]`."""
    return rng.normal(size=(2, len(LENGTHS), MEMORY_DIM)).astype("float32")


@pytest.fixture
def words(rng):
    """Rows of the same length, longer than the receptive field."""
    return rng.integers(4, VOCABULARY_SIZE, (3, NUM_WORDS)).astype("int32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": (1, 2, 4), "kernel_size": 2},
        {"size": (8, 1), "projection_dim": 5},
    ],
)
def test_logits_log_prob_and_steps_agree_with_numpy(tokens, memory, options):
    decoder = built(**options)
    logits = decoder.logits(tokens, tf.constant(memory)).numpy()
    assert logits.shape == (2, len(LENGTHS), 6, VOCABULARY_SIZE)
    for sample, row in [(0, 4), (1, 0)]:
        expected = reference_logits(decoder, tokens[row].tolist(), memory[sample, row])
        np.testing.assert_allclose(logits[sample, row], expected, rtol=1e-4, atol=1e-5)
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    state = decoder.initial_state(memory[1])
    last = np.full(len(LENGTHS), BOS_ID, "int32")
    for place in range(6):
        found, state = decoder.step(last, memory[1], state)
        np.testing.assert_allclose(found, logits[1, :, place], rtol=1e-4, atol=1e-5)
        last = tokens[:, place] if place < 5 else None


def test_log_prob_gathers_from_the_softmax_of_logits(tokens, memory):
    decoder = built()
    scores = log_softmax(decoder.logits(tokens, tf.constant(memory)))
    found = decoder.log_prob(tokens, tf.constant(memory)).numpy()
    for row, length in enumerate(LENGTHS):
        targets = targets_of(tokens[row, :length].tolist())
        for sample in range(2):
            chosen = scores[sample, row, np.arange(length + 1), targets]
            np.testing.assert_allclose(found[sample, row], chosen.sum(), rtol=1e-5)


def test_a_word_changes_later_predictions_only(words, memory):
    decoder = built(size=(1, 2, 4))
    before = decoder.logits(words, tf.constant(memory[:, :3])).numpy()
    for place in (0, 3, NUM_WORDS - 1):
        other = words.copy()
        other[:, place] = 4 + (other[:, place] - 3) % (VOCABULARY_SIZE - 4)
        after = decoder.logits(other, tf.constant(memory[:, :3])).numpy()
        same = (before == after).all((0, 1, 3))
        # Position t predicts word t; it has read words 0 to t - 1.
        assert same[: place + 1].all()
        assert not same[place + 1]


@pytest.mark.parametrize("training", [False, True])
def test_no_gradient_from_later_words(memory, training):
    # Normalisation over time would carry a gradient of the score of word t, which is
    # what `hidden[t]` is made for, back to words from t on.
    decoder = built(size=(1, 2, 4), input_dropout=0.2, output_dropout=0.2)
    distinct = np.arange(VOCABULARY_SIZE)[None, 4:]
    seed = tf.constant([1, 2])
    for place in (0, 4, distinct.shape[1]):
        with tf.GradientTape() as tape:
            hidden = decoder.hidden(
                distinct, tf.constant(memory[:1, :1]), seed, training
            )
            total = tf.reduce_sum(hidden[place] ** 2)
        slope = tape.gradient(total, decoder.embedding.embeddings.value)
        slope = tf.convert_to_tensor(slope).numpy()
        read = np.abs(slope).max(-1) > 0
        assert not read[4 + place :].any()
        assert read[4 : 4 + place].any() == (place > 0)


def test_training_scores_do_not_depend_on_later_words(words, memory):
    # In training mode as a whole: the rest of the batch and of the row do not matter.
    decoder = built(size=(1, 2))
    other = words.copy()
    other[:, 5:], other[1:] = UNK_ID, 5

    def hidden(tokens):
        seed = tf.constant([1, 2])
        return decoder.hidden(tokens, tf.constant(memory[:1, :3]), seed, True).numpy()

    np.testing.assert_array_equal(hidden(words)[:6, 0], hidden(other)[:6, 0])
    assert (hidden(words)[6, 0] != hidden(other)[6, 0]).any()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": (1, 2)}, 7),
        ({"size": (1, 1), "kernel_size": 4}, 7),
        ({"size": (3,), "kernel_size": 2}, 4),
    ],
)
def test_receptive_field(rng, options, expected):
    decoder = built(**options)
    assert decoder.receptive_field == expected
    words = rng.integers(4, VOCABULARY_SIZE, (1, 12)).astype("int32")
    table = decoder.embedding.embeddings.value
    with tf.GradientTape() as tape:
        tape.watch(table)
        vectors = tf.gather(table, words[0])[:, None]
        tape.watch(vectors)
        hidden = decoder.word_layer(vectors)
        for block in decoder.blocks:
            hidden = block(hidden)
        total = tf.reduce_sum(hidden[-1] ** 2)
    reached = np.flatnonzero(np.abs(tape.gradient(total, vectors)).max((1, 2)))
    assert reached.min() == 12 - expected


def test_named_sizes_reach_as_far_as_their_dilations():
    fields = {
        size: ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, size).receptive_field
        for size in ("small", "medium", "large")
    }
    # 1 + 2 * (1 + 2 + 4), 1 + 2 * 31, 1 + 2 * 62
    assert fields == {"small": 15, "medium": 63, "large": 125}


def test_padding_does_not_change_log_prob(tokens, memory):
    decoder = built()
    padded = np.pad(tokens, [[0, 0], [0, 7]])
    for training in (False, True):
        found = decoder.log_prob(padded, tf.constant(memory), None, training)
        expected = decoder.log_prob(tokens, tf.constant(memory), None, training)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_samples_at_once_are_samples_one_by_one(tokens, memory):
    decoder = built()
    together = decoder.log_prob(tokens, tf.constant(memory))
    for sample in range(2):
        alone = decoder.log_prob(tokens, tf.constant(memory[sample : sample + 1]))
        np.testing.assert_allclose(together[sample], alone[0], rtol=1e-5)


def test_gradients_agree_with_finite_differences(tokens, memory):
    decoder = built(size=(2,), projection_dim=3)
    weights = [
        decoder.memory_to_first.kernel,
        decoder.memory_to_steps.kernel,
        decoder.blocks[0].past.kernel,
    ]

    def total():
        return tf.reduce_sum(decoder.log_prob(tokens, tf.constant(memory)))

    with tf.GradientTape() as tape:
        value = total()
    slopes = tape.gradient(value, [weight.value for weight in weights])
    for weight, slope in zip(weights, slopes, strict=True):
        start = weight.numpy()
        direction = np.random.default_rng(2).normal(size=start.shape)
        step = 1e-3 / np.linalg.norm(direction)
        values = []
        for sign in (1, -1):
            weight.assign(start + sign * step * direction)
            values.append(
                np.sum(reference_log_probs(decoder, tokens, memory), dtype=float)
            )
        weight.assign(start)
        expected = (values[0] - values[1]) / (2 * step)
        found = np.sum(slope.numpy() * direction)
        np.testing.assert_allclose(found, expected, rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("memory_dim", [0, MEMORY_DIM])
def test_a_graph_trains_on_sentences_shorter_than_every_shift(memory_dim):
    # oneDNN ends the process on the gradient of an empty product, in a graph.
    decoder = built(memory_dim, size=(8,), kernel_size=2)
    variables = decoder.trainable_variables

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([1, None, memory_dim], tf.float32),
        ]
    )
    def slopes(tokens, memory):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(decoder.log_prob(tokens, memory))
        found = tape.gradient(total, [v.value for v in variables])
        return [tf.convert_to_tensor(each) for each in found]

    for tokens in ([[5], [0]], [[5, 6, 7]], np.zeros((2, 0))):
        tokens = tf.constant(tokens, tf.int32)
        for slope in slopes(tokens, tf.ones([1, len(tokens), memory_dim])):
            assert np.isfinite(slope).all()


def test_a_language_model_needs_no_memory(tokens):
    decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, size=(1, 2))
    model = LanguageModel(decoder)
    inputs = {"tokens": tf.constant(tokens)}
    found = model.bounds(model.forward(inputs))["nll"]
    no_memory = np.zeros((1, len(tokens), 0))
    expected = reference_log_probs(decoder, tokens, no_memory)
    np.testing.assert_allclose(-found[None], expected, rtol=1e-4)
    assert model.generate(4, max_length=6).shape == (4, 6)


def test_greedy_writing_is_greedy_over_logits():
    decoder = ConvolutionalDecoder(
        VOCABULARY_SIZE, 3, 4, (1, 2), initializer=SPREAD.clone()
    )
    model = make_vae(decoder=decoder, posterior=Gaussian(MEMORY_DIM))
    found = model.generate(6, sampler="greedy", max_length=6, seed=4).numpy()
    seed = tf.random.experimental.stateless_fold_in([4, 0], 0, alg="philox")
    memory = model.bridge(model.sample_prior(6, seed)[None])
    written = np.zeros((6, 0), "int32")
    for _ in range(6):
        logits = decoder.logits(written, memory).numpy()[0, :, -1]
        logits[:, [0, BOS_ID]] = -np.inf
        ended = (written == EOS_ID).any(1)
        chosen = np.where(ended, 0, logits.argmax(-1))
        written = np.concatenate([written, chosen[:, None]], 1).astype("int32")
    np.testing.assert_array_equal(found, written)
    assert len({tuple(row) for row in found.tolist()}) > 1
    assert (written == EOS_ID).any()


def test_mixed_precision_scores_in_float32(tokens, memory):
    plain = built()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = built(memory_dropout=0.5)
    finally:
        keras.config.set_dtype_policy("float32")
    decoder.set_weights(plain.get_weights())
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    # Eight bits of mantissa, on logits of a few units.
    expected = plain.log_prob(tokens, tf.constant(memory))
    np.testing.assert_allclose(found, expected, rtol=0.05)
    state = decoder.initial_state(memory[0])
    words = np.full(len(LENGTHS), BOS_ID, "int32")
    logits, after = decoder.step(words, memory[0], state)
    assert logits.dtype == tf.float32
    assert [x.dtype for x in after] == [x.dtype for x in state]


def test_saved_and_loaded(tokens, tmp_path):
    decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, (1, 2), projection_dim=3)
    model = make_vae(decoder=decoder)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.decoder.dilations == (1, 2)
    assert_same_weights(model, loaded)
    inputs = {"tokens": tf.constant(tokens)}
    found, expected = (
        each.forward(inputs, seed=1).log_likelihood for each in (loaded, model)
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "huge"}, r"`size` must be one of \['large'.*size='huge'"),
        ({"size": ()}, r"`size` must be.*tuple of positive ints.*size=\(\)"),
        ({"size": (1, 0)}, r"`size` must be.*size=\(1, 0\)"),
        ({"num_filters": 0}, "`num_filters` must be positive.*=0"),
        ({"kernel_size": 1}, "`kernel_size` must be at least 2.*=1"),
        ({"input_dropout": 1.0}, r"`input_dropout` must be in \[0, 1\).*=1.0"),
        ({"memory_dropout": -0.5}, r"`memory_dropout` must be in .*=-0.5"),
        ({"output_dropout": 2.0}, r"`output_dropout` must be in .*=2.0"),
        ({"word_dropout": 1.5}, r"`word_dropout` must be in \[0, 1\].*1.5"),
    ],
)
def test_constructor_errors(options, message):
    with pytest.raises(ValueError, match=message):
        ConvolutionalDecoder(VOCABULARY_SIZE, 3, **({"num_filters": 4} | options))
