import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import (
    build_convolutional,
    reference_log_probs,
    reference_logits,
)
from tests.support import BOS_ID, LENGTHS, UNK_ID, VOCABULARY_SIZE
from tfvae.decoders import ConvolutionalDecoder
from tfvae.decoders.convolutional import CausalBlock, causal_convolution
from tfvae.seeds import as_seed

MEMORY_DIM = 2
NUM_WORDS = 9


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
    decoder = build_convolutional(**options)
    logits = decoder.logits(tokens, tf.constant(memory)).numpy()
    assert logits.shape == (2, len(LENGTHS), 6, VOCABULARY_SIZE)
    for sample, row in [(0, 4), (1, 0)]:
        expected = reference_logits(decoder, tokens[row].tolist(), memory[sample, row])
        np.testing.assert_allclose(logits[sample, row], expected, rtol=1e-4, atol=1e-5)
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    state = decoder.initial_state(memory[1], 6)
    last = np.full(len(LENGTHS), BOS_ID, "int32")
    for place in range(6):
        found, state = decoder.next_logits(last, memory[1], state)
        np.testing.assert_allclose(found, logits[1, :, place], rtol=1e-4, atol=1e-5)
        last = tokens[:, place] if place < 5 else None


def test_a_word_changes_later_predictions_only(words, memory):
    decoder = build_convolutional(size=(1, 2, 4))
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
    decoder = build_convolutional(size=(1, 2, 4), input_dropout=0.2)
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
    decoder = build_convolutional(size=(1, 2))
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
    decoder = build_convolutional(**options)
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


def test_gradients_agree_with_finite_differences(tokens, memory):
    decoder = build_convolutional(size=(2,), projection_dim=3)
    weights = [
        decoder.memory_to_bos.kernel,
        decoder.memory_to_inputs.kernel,
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
    decoder = build_convolutional(memory_dim, size=(8,), kernel_size=2)
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


# What enters the blocks: of each position, row and component.
@pytest.mark.parametrize(
    ("rate", "scale"), [("input_dropout", 3), ("memory_dropout", 2)]
)
def test_masks_are_fresh_at_each_step_and_keep_the_mean(rate, scale):
    decoder = build_convolutional(memory_dim=2, num_filters=1, **{rate: 0.5})
    tokens = np.full((400, 4), 5, "int32")
    memory = tf.ones([1, 400, 2])
    found = decoder._project(tokens, memory, as_seed(1), True).numpy()[1:, :, 0]
    clean = decoder._project(tokens, memory, None, False).numpy()[1:, :, 0]
    noise = found - clean
    # Every subset of the components, at every step.
    for row in noise:
        assert len(np.unique(np.round(row, 4))) == 2**scale
    for one, two in zip(noise[:-1], noise[1:], strict=True):
        # Of independent masks, 4 standard errors of a correlation.
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / 20
    error = noise.std() / np.sqrt(noise.size)
    assert abs(noise.mean()) < 4 * error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "huge"}, r"`size` must be one of \['large'.*size='huge'"),
        ({"size": ()}, r"`size` must be.*tuple of positive ints.*size=\(\)"),
        ({"size": (1, 0)}, r"`size` must be.*size=\(1, 0\)"),
        ({"num_filters": 0}, "`num_filters` must be positive.*=0"),
        ({"kernel_size": 1}, "`kernel_size` must be at least 2.*=1"),
    ],
)
def test_constructor_errors(options, message):
    with pytest.raises(ValueError, match=message):
        ConvolutionalDecoder(VOCABULARY_SIZE, 3, **({"num_filters": 4} | options))


def test_steps_of_a_block_are_the_call(rng):
    block = CausalBlock(4, 3, 2, name="block")
    assert block.window == 4
    inputs = rng.normal(size=(7, 3, 4)).astype("float32")
    together = block(tf.constant(inputs)).numpy()
    state = block.initial_state(3)
    for place in range(7):
        found, state = block.step(inputs[place], state)
        assert state.shape == (3, 4, 4)
        np.testing.assert_allclose(found, together[place], rtol=1e-4, atol=1e-6)


def test_adds_what_is_not_negative_and_nothing_at_zero_scale(rng):
    block = CausalBlock(4, 2, 1, name="block")
    inputs = tf.constant(rng.normal(size=(5, 2, 4)).astype("float32"))
    assert (block(inputs).numpy() >= inputs.numpy()).all()
    block.last_norm.set_weights([np.zeros(4), np.zeros(4)])
    np.testing.assert_array_equal(block(inputs), inputs)


def test_each_position_is_normalised_by_itself(rng):
    # Scaling one position's input leaves what other positions add as it was.
    block = CausalBlock(4, 2, 1, name="block")
    inputs = rng.normal(size=(5, 2, 4)).astype("float32")
    scaled = inputs.copy()
    scaled[3, 1] *= 100.0
    before, after = (
        block(tf.constant(x), training=True).numpy() for x in (inputs, scaled)
    )
    changed = (before != after).any(-1)
    expected = np.zeros((5, 2), bool)
    expected[3:, 1] = True
    assert not changed[~expected].any()
    assert changed[3, 1]


def test_starts_as_pytorch_does():
    block = CausalBlock(64, 3, 1, name="block")
    for layer, width in ((block.first, 64), (block.past, 192), (block.last, 64)):
        for weight in layer.get_weights():
            assert np.abs(weight).max() <= width**-0.5
        # The mean size of a uniform draw is half its bound.
        assert abs(np.abs(layer.get_weights()[0]).mean() * width**0.5 - 0.5) < 0.03


def convolve(values, kernel, dilation):
    """Convolves channel by channel with a kernel spread out by zeros."""
    spread = np.zeros(((len(kernel) - 1) * dilation + 1, *kernel.shape[1:]))
    spread[::dilation] = kernel
    result = np.zeros((*values.shape[:2], kernel.shape[2]))
    for row in range(values.shape[1]):
        for i in range(kernel.shape[1]):
            for o in range(kernel.shape[2]):
                # `np.convolve` turns the kernel round: its first entry is the present.
                full = np.convolve(values[:, row, i], spread[::-1, i, o])
                result[:, row, o] += full[: len(values)]
    return result


@pytest.mark.parametrize("num_steps", [1, 2, 7])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 3), (3, 1), (3, 4)])
def test_convolution_agrees_with_numpy(rng, num_steps, kernel_size, dilation):
    values = rng.normal(size=(num_steps, 2, 3))
    kernel = rng.normal(size=(kernel_size, 3, 4))
    found = causal_convolution(tf.constant(values), tf.constant(kernel), dilation)
    np.testing.assert_allclose(found, convolve(values, kernel, dilation), rtol=1e-10)


@pytest.mark.parametrize("num_steps", [2, 7])
def test_gradients_of_the_convolution(rng, num_steps):
    # Linear in each argument, so the difference is exact at any step.
    values = rng.normal(size=(num_steps, 2, 3))
    kernel = rng.normal(size=(3, 3, 4))
    upstream = rng.normal(size=(num_steps, 2, 4))
    arguments = [tf.constant(values), tf.constant(kernel)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        total = tf.reduce_sum(upstream * causal_convolution(*arguments, 2))
    slopes = tape.gradient(total, arguments)
    for place, slope in enumerate(slopes):
        direction = rng.normal(size=slope.shape)
        moved = [values, kernel]
        moved[place] = direction
        expected = np.sum(upstream * convolve(*moved, 2))
        np.testing.assert_allclose(np.sum(slope * direction), expected, rtol=1e-10)
