"""The base class, and what holds for every decoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import (
    build_convolutional,
    build_recurrent,
    reference_log_prob,
    reference_log_probs,
    targets_of,
)
from tests.support import (
    BOS_ID,
    EOS_ID,
    LENGTHS,
    UNK_ID,
    VOCABULARY_SIZE,
    log_softmax,
    make_decoder,
)
from tfvae.decoders import ConvolutionalDecoder, Decoder
from tfvae.decoders.decoder import sentence_log_probs
from tfvae.layers.dense import dense
from tfvae.samplers import Greedy
from tfvae.seeds import as_seed

MEMORY_DIM = 3
RATES = ("input_dropout", "memory_dropout", "output_dropout", "word_dropout")


def build_conditioned(memory_dim=MEMORY_DIM, **options):
    """A decoder that its memory enters in several ways, in the place of `<s>` too."""
    conditioning = ("bos", "inputs", "state") if memory_dim else ()
    return build_recurrent(memory_dim, cell="gru", conditioning=conditioning, **options)


BUILDERS = [build_recurrent, build_conditioned, build_convolutional]
every = pytest.mark.parametrize("build", BUILDERS, ids=["lstm", "gru", "convolutional"])


@pytest.fixture
def memory(rng):
    """Two samples for each of the rows, `[2, 5, 3]`."""
    return rng.normal(size=(2, len(LENGTHS), MEMORY_DIM)).astype("float32")


@every
def test_log_prob_gathers_from_the_softmax_of_logits(build, tokens, memory):
    decoder = build(MEMORY_DIM)
    scores = log_softmax(decoder.logits(tokens, tf.constant(memory)))
    found = decoder.log_prob(tokens, tf.constant(memory)).numpy()
    for row, length in enumerate(LENGTHS):
        targets = targets_of(tokens[row, :length].tolist())
        for sample in range(2):
            chosen = scores[sample, row, np.arange(length + 1), targets]
            np.testing.assert_allclose(found[sample, row], chosen.sum(), rtol=1e-5)


@every
def test_padding_does_not_change_log_prob(build, tokens, memory):
    decoder = build(MEMORY_DIM)
    padded = np.pad(tokens, [[0, 0], [0, 7]])
    for training in (False, True):
        found = decoder.log_prob(padded, tf.constant(memory), None, training)
        expected = decoder.log_prob(tokens, tf.constant(memory), None, training)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@every
def test_samples_at_once_are_samples_one_by_one(build, tokens, memory):
    decoder = build(MEMORY_DIM)
    together = decoder.log_prob(tokens, tf.constant(memory))
    for sample in range(2):
        alone = decoder.log_prob(tokens, tf.constant(memory[sample : sample + 1]))
        np.testing.assert_allclose(together[sample], alone[0], rtol=1e-5)


@every
def test_gradients_do_not_depend_on_the_number_of_samples(build, tokens, memory):
    # One sample keeps all logits, several recompute them in chunks.
    decoder = build(MEMORY_DIM)

    def gradients(values):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(decoder.log_prob(tokens, tf.constant(values)))
        weights = [v.value for v in decoder.trainable_variables]
        return [tf.convert_to_tensor(g) for g in tape.gradient(total, weights)]

    first, second = gradients(memory[:1]), gradients(memory[1:])
    for both, *parts in zip(gradients(memory), first, second, strict=True):
        np.testing.assert_allclose(both, sum(parts), rtol=1e-3, atol=1e-5)


# Eight bits of mantissa, on logits of about 1 and of a few units.
@pytest.mark.parametrize(
    ("build", "tolerance"), list(zip(BUILDERS, (0.02, 0.02, 0.05), strict=True))
)
def test_mixed_precision_scores_in_float32(build, tokens, memory, tolerance):
    plain = build(MEMORY_DIM)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = build(MEMORY_DIM)
    finally:
        keras.config.set_dtype_policy("float32")
    decoder.set_weights(plain.get_weights())
    found = decoder.log_prob(tokens, tf.constant(memory))
    assert found.dtype == tf.float32
    expected = plain.log_prob(tokens, tf.constant(memory))
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    words = np.full(len(LENGTHS), BOS_ID, "int32")
    rows = tf.constant(memory[0], tf.bfloat16)
    state = decoder.initial_state(rows, 4)
    logits, after = decoder.next_logits(words, rows, state)
    assert logits.dtype == tf.float32
    assert [x.dtype for x in after] == [x.dtype for x in state]


@every
def test_a_language_model_needs_no_memory(build, tokens):
    options = {"conditioning": ()} if build is build_recurrent else {}
    decoder = build(0, **options)
    memory = np.zeros((1, len(LENGTHS), 0), "float32")
    found = decoder.log_prob(tokens, tf.constant(memory))
    expected = reference_log_probs(decoder, tokens, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@every
def test_greedy_writing_is_greedy_over_logits(build, rng):
    decoder = build(MEMORY_DIM)
    # Large weights for sentences that differ.
    shapes = [weight.shape for weight in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(2.0 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    memory = rng.normal(size=(1, 20, MEMORY_DIM)).astype("float32")
    written = np.zeros((20, 0), "int32")
    for _ in range(6):
        logits = decoder.logits(written, tf.constant(memory)).numpy()[0, :, -1]
        logits[:, [0, BOS_ID]] = -np.inf
        ended = (written == EOS_ID).any(1)
        chosen = np.where(ended, 0, logits.argmax(-1))
        written = np.concatenate([written, chosen[:, None]], 1).astype("int32")
    found = Greedy()(decoder, tf.constant(memory[0]), 6, as_seed(0)).numpy()
    np.testing.assert_array_equal(found, written)
    assert len(np.unique(found, axis=0)) > 2
    assert (found == EOS_ID).any()


@every
@pytest.mark.parametrize("rate", RATES)
def test_dropout_acts_in_training_only_and_follows_the_seed(
    build, tokens, memory, rate
):
    decoder, plain = build(MEMORY_DIM, **{rate: 0.5}), build(MEMORY_DIM)
    plain.set_weights(decoder.get_weights())
    memory = tf.constant(memory[:1])
    expected = plain.log_prob(tokens, memory).numpy()
    assert (decoder.log_prob(tokens, memory).numpy() == expected).all()
    first, again, other = (
        decoder.log_prob(tokens, memory, seed=as_seed(seed), training=True).numpy()
        for seed in (1, 1, 2)
    )
    assert (first != expected).any()
    assert (first == again).all()
    assert (first != other).any()
    assert (plain.log_prob(tokens, memory, training=True).numpy() == expected).all()


@every
def test_word_dropout_reads_unknown_words_but_scores_the_true_ones(
    build, tokens, memory
):
    decoder = build(MEMORY_DIM, word_dropout=1.0)
    found = decoder.log_prob(
        tokens, tf.constant(memory[:1]), seed=as_seed(1), training=True
    ).numpy()
    for row in range(5):
        words = [word for word in tokens[row].tolist() if word]
        unknown = [UNK_ID] * len(words)
        expected = reference_log_prob(decoder, words, memory[0, row], unknown)
        np.testing.assert_allclose(found[0, row], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [make_decoder, lambda **rates: ConvolutionalDecoder(11, 3, 4, **rates)],
    ids=["recurrent", "convolutional"],
)
@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"input_dropout": 1.0}, r"`input_dropout` must be in \[0, 1\).*=1.0"),
        ({"memory_dropout": -0.5}, r"`memory_dropout` must be in .*=-0.5"),
        ({"output_dropout": 2.0}, r"`output_dropout` must be in .*=2.0"),
        ({"word_dropout": 1.5}, r"`word_dropout` must be in \[0, 1\].*1.5"),
    ],
)
def test_refuses_rates_out_of_range(make, rates, message):
    with pytest.raises(ValueError, match=message):
        make(**rates)


class Bag(Decoder):
    """The least that a decoder needs: it sums the embeddings of the words so far."""

    def __init__(self, **options):
        super().__init__(VOCABULARY_SIZE, 3, **options)
        self.hidden_dim = 3

    def hidden(self, tokens, memory, seed=None, training=False):
        vectors = self.embed(self.input_ids(tokens, seed, training), seed, training)
        return tf.tile(tf.cumsum(vectors), [1, memory.shape[0], 1])

    def initial_state(self, memory, max_length):
        return tf.zeros([tf.shape(memory)[0], 3])

    def step(self, token_ids, memory, state):
        state += self.embed(token_ids)
        return state, state


class SkipBag(Bag):
    """Its memory also feeds the vocabulary's layer."""

    def readout(self, hidden, memory, seed=None, training=False):
        hidden = super().readout(hidden, memory, seed, training)
        shape = tf.concat([tf.shape(hidden)[:-1], tf.shape(memory)[-1:]], 0)
        return tf.concat([hidden, tf.broadcast_to(memory, shape)], -1)

    def readout_dim(self, memory_dim):
        return super().readout_dim(memory_dim) + memory_dim


@pytest.mark.parametrize("projection_dim", [None, 5])
def test_a_memory_may_feed_the_vocabulary(tokens, memory, projection_dim):
    decoder = SkipBag(projection_dim=projection_dim, output_dropout=0.5)
    decoder.build(memory_dim=MEMORY_DIM)
    kernel, bias = decoder.output_layer.get_weights()
    assert kernel.shape == ((projection_dim or 3) + MEMORY_DIM, VOCABULARY_SIZE)
    table = decoder.embedding.get_weights()[0]
    inputs = np.pad(tokens, [[0, 0], [1, 0]], constant_values=BOS_ID)
    hidden = table[inputs].cumsum(1)
    if projection_dim is not None:
        weights, shift = decoder.projection.get_weights()
        hidden = np.tanh(hidden @ weights + shift)
    of_memory = memory @ kernel[-MEMORY_DIM:]
    expected = hidden @ kernel[:-MEMORY_DIM] + bias + of_memory[:, :, None]
    logits = decoder.logits(tokens, tf.constant(memory)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
    scores = log_softmax(expected)
    found = decoder.log_prob(tokens, tf.constant(memory)).numpy()
    for row, length in enumerate(LENGTHS):
        targets = targets_of(tokens[row, :length].tolist())
        chosen = scores[:, row, np.arange(length + 1), targets].sum(-1)
        np.testing.assert_allclose(found[:, row], chosen, rtol=1e-4)
    state = decoder.initial_state(memory[1], 6)
    for place in range(6):
        found, state = decoder.next_logits(inputs[:, place], memory[1], state)
        np.testing.assert_allclose(found, logits[1, :, place], rtol=1e-4, atol=1e-5)
    # Dropout is on hidden states, not on the memory.
    ones = tf.ones([4, 5, 3])
    dropped = decoder.readout(ones, memory[0], as_seed(1), training=True).numpy()
    assert (dropped[..., -MEMORY_DIM:] == memory[0]).all()
    if projection_dim is None:
        assert set(np.unique(dropped[..., :3])) == {0.0, 2.0}


def test_an_embedding_of_its_encoder_is_shared():
    first, second = Bag(), Bag()
    first.build(memory_dim=0)
    second.embedding = first.embedding
    second.build(memory_dim=0)
    first.embedding.embeddings.assign(np.ones((VOCABULARY_SIZE, 3)))
    assert (second.embed([4, 5]).numpy() == 1.0).all()


@pytest.mark.parametrize(
    ("method", "num_arguments"),
    [("hidden", 2), ("initial_state", 2), ("step", 3)],
)
def test_a_decoder_must_implement_its_methods(method, num_arguments):
    decoder = Decoder(VOCABULARY_SIZE, 3)
    with pytest.raises(NotImplementedError, match=f"must implement `{method}`"):
        getattr(decoder, method)(*[None] * num_arguments)


def test_sums_the_words_and_the_end_of_each_sample(rng):
    tokens = np.array([[5, 7, 4], [9, 0, 0], [0, 0, 0]], "int32")
    hidden = rng.normal(size=(4, 2, 3, 6))
    layer = dense(VOCABULARY_SIZE, 6, name="output")
    kernel, bias = layer.get_weights()
    scores = log_softmax(hidden @ kernel + bias)
    targets = [[5, 7, 4, EOS_ID], [9, EOS_ID], [EOS_ID]]
    expected = [
        [
            sum(scores[place, sample, row, word] for place, word in enumerate(words))
            for row, words in enumerate(targets)
        ]
        for sample in range(2)
    ]
    rows = tf.constant(hidden.reshape(4, 6, 6), tf.float32)
    found = sentence_log_probs(rows, layer, tokens, 2)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    alone = sentence_log_probs(rows[:, 3:], layer, tokens, 1)
    np.testing.assert_allclose(alone, expected[1:], rtol=1e-5)
