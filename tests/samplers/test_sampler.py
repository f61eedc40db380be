import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, log_softmax, make_decoder
from tfvae.decoders import ConvolutionalDecoder, Decoder
from tfvae.layers.dense import dense
from tfvae.samplers import (
    Ancestral,
    BeamSearch,
    Greedy,
    Nucleus,
    Sampler,
    TopK,
    get_sampler,
)
from tfvae.samplers.sampler import categorical, in_nucleus, keep_nucleus
from tfvae.seeds import as_seed, uniform

PAD_ID, BOS_ID, EOS_ID, UNK_ID = range(4)
# Padding and <s> are the likeliest of all, to see that they are never written.
LOGITS = np.array([9.0, 8.0, 0.3, 1.2, 0.8, -0.5], "float32")


class Scripted:
    """Its logits favour, at each step, the word that the memory holds for it."""

    def initial_state(self, memory, max_length):
        return (tf.zeros([tf.shape(memory)[0]], tf.int32),)

    def next_logits(self, token_ids, memory, state):
        words = tf.gather(memory, state[0], axis=1, batch_dims=1)
        return tf.one_hot(tf.cast(words, tf.int32), 8), (state[0] + 1,)


class Memoryless:
    """The same logits at every step."""

    def initial_state(self, memory, max_length):
        return ()

    def next_logits(self, token_ids, memory, state):
        return tf.tile(tf.constant(LOGITS)[None], [tf.shape(memory)[0], 1]), state


class Counted:
    """Counts its steps and their rows, and ends a row at the word of its memory."""

    def __init__(self):
        self.rows = []

    def initial_state(self, memory, max_length):
        return (tf.zeros([tf.shape(memory)[0]], tf.int32),)

    def next_logits(self, token_ids, memory, state):
        self.rows.append(len(token_ids))
        ends = tf.equal(state[0], tf.cast(memory[:, 0], tf.int32))
        return tf.one_hot(tf.where(ends, EOS_ID, 4), 6), (state[0] + 1,)


class Attention(Decoder):
    """One head of causal attention; its state is a cache of fixed size and a step."""

    def __init__(self, width=4):
        super().__init__(VOCABULARY_SIZE, width)
        self.hidden_dim = width

    def build(self, *, memory_dim):
        self.qkv = dense(3 * self.hidden_dim, self.hidden_dim, name="qkv")
        self.of_memory = dense(self.hidden_dim, memory_dim, name="of_memory")
        super().build(memory_dim=memory_dim)

    def hidden(self, tokens, memory, seed=None, training=False):
        vectors = self.embed(tf.transpose(self.input_ids(tokens)))
        vectors = vectors + self.of_memory(memory)[:, :, None]
        query, key, value = tf.split(self.qkv(vectors), 3, -1)
        num_steps = tf.shape(vectors)[2]
        seen = tf.linalg.band_part(tf.ones([num_steps, num_steps], tf.bool), -1, 0)
        hidden = vectors + self.attend(query, key, value, seen)
        hidden = tf.reshape(hidden, [-1, num_steps, self.hidden_dim])
        return tf.transpose(hidden, [1, 0, 2])

    def attend(self, query, key, value, seen):
        scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(self.hidden_dim)
        return tf.matmul(tf.nn.softmax(tf.where(seen, scores, -1e9)), value)

    def initial_state(self, memory, max_length):
        cache = tf.zeros([tf.shape(memory)[0], max_length, self.hidden_dim])
        return {"key": cache, "value": cache, "step": tf.constant(0)}

    def step(self, token_ids, memory, state):
        vectors = (self.embed(token_ids) + self.of_memory(memory))[:, None]
        query, key, value = tf.split(self.qkv(vectors), 3, -1)
        places = tf.range(state["key"].shape[1])
        here = tf.equal(places, state["step"])[:, None]
        key = tf.where(here, key, state["key"])
        value = tf.where(here, value, state["value"])
        attended = self.attend(query, key, value, places <= state["step"])
        state = {"key": key, "value": value, "step": state["step"] + 1}
        return (vectors + attended)[:, 0], state


def allowed_probs(temperature, allow_unknown=True):
    """Computes by NumPy what may be drawn of `LOGITS`."""
    allowed = np.arange(len(LOGITS)) >= 2
    allowed[UNK_ID] = allow_unknown
    weights = np.where(allowed, np.exp(LOGITS / temperature), 0.0)
    return weights / weights.sum()


def assert_drawn_from(words, expected):
    found = np.bincount(words, minlength=len(expected)) / len(words)
    error = np.sqrt(expected * (1 - expected) / len(words))
    assert (abs(found - expected) <= 4 * error + 1e-7).all()


def talkative(rng):
    """A decoder of large weights, whose sentences differ in words and length."""
    decoder = built(conditioning=("state", "inputs"))
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(0.8 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    return decoder


def built(**options):
    decoder = make_decoder(**options)
    decoder.build(memory_dim=3)
    return decoder


def test_greedy_is_a_manual_loop(rng):
    decoder = built(conditioning=("state", "cell", "inputs", "bos"))
    # Large weights for sentences that differ.
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(0.8 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    memory = rng.normal(size=(20, 3)).astype("float32")
    found = Greedy()(decoder, tf.constant(memory), 9, as_seed(0)).numpy()
    for row in range(20):
        state = decoder.initial_state(memory[row : row + 1], 9)
        last, expected = BOS_ID, []
        while len(expected) < 9 and last != EOS_ID:
            logits, state = decoder.next_logits(
                np.array([last], "int32"), memory[row : row + 1], state
            )
            last = 2 + int(np.argmax(logits.numpy()[0, 2:]))
            expected.append(last)
        assert found[row].tolist() == expected + [PAD_ID] * (9 - len(expected))
    assert len(np.unique(found, axis=0)) > 2
    assert (found == EOS_ID).any()


def test_stops_at_the_end_and_pads():
    script = tf.constant([[5, 6, EOS_ID, 7, 7], [7, EOS_ID, 5, 5, 5], [4, 4, 4, 4, 4]])
    found = Greedy()(Scripted(), tf.cast(script, tf.float32), 5, as_seed(0))
    expected = [[5, 6, 2, 0, 0], [7, 2, 0, 0, 0], [4, 4, 4, 4, 4]]
    assert found.numpy().tolist() == expected
    assert found.dtype == tf.int32


def test_length_is_kept_when_all_end_early():
    script = tf.constant([[5.0, 2.0, 6.0], [2.0, 6.0, 6.0]])
    found = Greedy()(Scripted(), script, 6, as_seed(0))
    assert found.numpy().tolist() == [[5, 2, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]


def test_ended_rows_cost_nothing():
    decoder = Counted()
    memory = tf.constant([[2.0], [0.0], [4.0], [0.0]])
    found = Greedy()(decoder, memory, 9, as_seed(0)).numpy()
    assert decoder.rows == [4, 2, 2, 1, 1]
    assert (found == EOS_ID).argmax(1).tolist() == [2, 0, 4, 0]


@pytest.mark.parametrize("allow_unknown", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_ancestral_frequencies_are_the_softmax(temperature, allow_unknown):
    num = 20000
    sampler = Ancestral(temperature, allow_unknown)
    memory = tf.zeros([num, 0])
    words = sampler(Memoryless(), memory, 1, as_seed(3)).numpy()[:, 0]
    assert_drawn_from(words, allowed_probs(temperature, allow_unknown))


def test_each_row_has_its_temperature():
    num = 20000
    temperature = tf.constant([0.5, 3.0] * (num // 2))
    # The end is as likely as anything: rows that leave take theirs along.
    sampler = Ancestral(temperature)
    words = sampler(Memoryless(), tf.zeros([num, 0]), 2, as_seed(5)).numpy()
    for place, value in enumerate((0.5, 3.0)):
        rows = words[place::2]
        expected = allowed_probs(value)
        assert_drawn_from(rows[:, 0], expected)
        assert_drawn_from(rows[rows[:, 0] != EOS_ID, 1], expected)


def test_temperature_limits():
    rows = tf.zeros([4000, 0])
    cold = Ancestral(1e-3)(Memoryless(), rows, 1, as_seed(1)).numpy()
    assert (cold == UNK_ID).all()
    hot = Ancestral(1e6)(Memoryless(), rows, 1, as_seed(1)).numpy()
    assert_drawn_from(hot[:, 0], np.array([0.0, 0.0, 0.25, 0.25, 0.25, 0.25]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_top_k_is_the_softmax_of_the_largest(k, temperature):
    sampler = TopK(k, temperature)
    words = sampler(Memoryless(), tf.zeros([20000, 0]), 1, as_seed(7))
    probs = allowed_probs(temperature)
    probs[np.argsort(-probs)[k:]] = 0.0
    assert_drawn_from(words.numpy()[:, 0], probs / probs.sum())


@pytest.mark.parametrize(
    ("p", "support"),
    [(0.3, {3}), (0.45, {3, 4}), (0.95, {2, 3, 4, 5}), (1.0, {2, 3, 4, 5})],
)
def test_nucleus_is_the_softmax_of_the_likeliest(p, support):
    # Of </s>, <unk> and two words: 0.18, 0.43, 0.29 and 0.08 or so.
    words = Nucleus(p)(Memoryless(), tf.zeros([20000, 0]), 1, as_seed(9))
    probs = allowed_probs(1.0)
    probs[[word for word in range(6) if word not in support]] = 0.0
    assert_drawn_from(words.numpy()[:, 0], probs / probs.sum())


@pytest.mark.parametrize(
    "sampler", [Greedy(), Ancestral(), TopK(3), Nucleus(0.8), BeamSearch(3)]
)
def test_a_row_depends_on_itself_alone(rng, sampler):
    decoder = talkative(rng)
    memory = rng.normal(size=(30, 3)).astype("float32")
    found = sampler(decoder, tf.constant(memory), 9, as_seed(4)).numpy()
    assert len(np.unique(found, axis=0)) > 3
    # Neither on how many come after it nor on where the others end or are cut.
    fewer = sampler(decoder, tf.constant(memory[:7]), 9, as_seed(4)).numpy()
    assert (fewer == found[:7]).all()
    others = np.concatenate([memory[:7], 3.0 * memory[7:]])
    mixed = sampler(decoder, tf.constant(others), 9, as_seed(4)).numpy()
    assert (mixed[:7] == found[:7]).all()
    if not isinstance(sampler, BeamSearch):
        cut = sampler(decoder, tf.constant(memory), 4, as_seed(4)).numpy()
        assert (cut == found[:, :4]).all()


@pytest.mark.parametrize("sampler", [Greedy(), Ancestral(), BeamSearch(2)])
def test_taking_out_ended_rows_changes_nothing(rng, sampler):
    decoder = talkative(rng)
    memory = tf.constant(rng.normal(size=(30, 3)), tf.float32)
    found = sampler(decoder, memory, 9, as_seed(4), compact=True).numpy()
    kept = sampler(decoder, memory, 9, as_seed(4), compact=False).numpy()
    assert (found == kept).all()
    assert 0 < (found == EOS_ID).any(1).sum() < 30


def test_ancestral_draws_are_independent_between_steps():
    num = 20000
    words = Ancestral()(Memoryless(), tf.zeros([num, 0]), 2, as_seed(1)).numpy()
    went_on = words[words[:, 0] != EOS_ID]
    weights = np.where(np.arange(len(LOGITS)) > 1, np.exp(LOGITS), 0.0)
    expected = weights / weights.sum()
    for first in (3, 4, 5):
        second = went_on[went_on[:, 0] == first, 1]
        found = np.bincount(second, minlength=len(LOGITS)) / len(second)
        error = np.sqrt(expected * (1 - expected) / len(second))
        assert (abs(found - expected) <= 4 * error).all()


def test_greedy_without_unknown_words():
    memory = tf.zeros([1, 0])
    found = Greedy()(Memoryless(), memory, 1, as_seed(0)).numpy()
    assert found.tolist() == [[UNK_ID]]
    sampler = Greedy(allow_unknown=False)
    found = sampler(Memoryless(), memory, 1, as_seed(0)).numpy()
    assert found.tolist() == [[4]]


@pytest.mark.parametrize("kind", ["recurrent", "convolutional"])
def test_a_beginning_is_gone_on_with(rng, kind):
    if kind == "recurrent":
        decoder = built(conditioning=("state", "inputs"))
    else:
        decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, size="small")
        decoder.build(memory_dim=3)
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([3 * rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(np.zeros(VOCABULARY_SIZE))
    memory = tf.constant(rng.normal(size=[6, 3]), tf.float32)
    seen = set()
    for sampler in (Greedy(), BeamSearch(1)):
        whole = sampler(decoder, memory, 6, as_seed(0)).numpy()
        for row in np.flatnonzero((whole[:, :2] != EOS_ID).all(axis=1)):
            found = sampler(
                decoder,
                memory[row : row + 1],
                4,
                as_seed(0),
                prefix_ids=whole[row, :2].tolist(),
            )
            assert found[0].numpy().tolist() == whole[row, 2:].tolist()
            seen.add(tuple(whole[row]))
    assert len(seen) > 2


@pytest.mark.long
@pytest.mark.parametrize("compiled", [False, True])
def test_graph_is_the_plain_loop(rng, compiled):
    decoder = built(cell="gru")
    memory = tf.constant(rng.normal(size=(4, 3)).astype("float32"))
    # The others' graphs are compared below.
    samplers = [Greedy(), Ancestral(0.5)] if compiled else [TopK(3), Nucleus(0.7)]

    def run(memory, seed):
        return [
            sampler(decoder, memory, 6, seed, compact=not compiled)
            for sampler in samplers
        ]

    signature = [tf.TensorSpec([None, 3]), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(run, input_signature=signature, jit_compile=compiled)
    expected = run(memory, as_seed(2))
    for found, wanted in zip(graph(memory, as_seed(2)), expected, strict=True):
        assert (found.numpy() == wanted.numpy()).all()
        assert wanted.numpy().max() < VOCABULARY_SIZE


@pytest.mark.long
@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("sampler", [Greedy(), Ancestral(0.7), BeamSearch(3)])
def test_a_state_may_hold_a_cache_of_fixed_size_and_scalars(rng, sampler, compact):
    decoder = Attention()
    decoder.build(memory_dim=3)
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(3.0 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    memory = tf.constant(rng.normal(size=(12, 3)), tf.float32)

    def run(memory, seed):
        return sampler(decoder, memory, 7, seed, compact=compact)

    signature = [tf.TensorSpec([None, 3]), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(run, input_signature=signature, jit_compile=not compact)
    found = graph(memory, as_seed(3)).numpy()
    assert (found == run(memory, as_seed(3)).numpy()).all()
    assert len(np.unique(found, axis=0)) > 2
    ended = (found == EOS_ID).any(1)
    assert 0 < ended.sum() < 12
    if isinstance(sampler, Greedy):
        words = np.where(found == EOS_ID, PAD_ID, found)
        logits = decoder.logits(words, memory[None]).numpy()[0, :, :7]
        logits[..., :2] = -np.inf
        inside = np.cumsum(found == EOS_ID, 1) - (found == EOS_ID) == 0
        assert (logits.argmax(-1) == found)[inside].all()


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("greedy", Greedy),
        ("ancestral", Ancestral),
        ("top_k", TopK),
        ("nucleus", Nucleus),
        ("beam", BeamSearch),
    ],
)
def test_samplers_by_name(name, sampler):
    assert type(get_sampler(name)) is sampler
    given = Ancestral(0.5)
    assert get_sampler(given) is given


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: get_sampler("top-k"), r"\['ancestral', 'beam'.*sampler='top-k'"),
        (lambda: Ancestral(0.0), "`temperature` must be positive.*0.0"),
        (lambda: TopK(0), "at least 1. Received: k=0"),
        (lambda: Nucleus(0.0), r"in \(0, 1\]. Received: p=0.0"),
        (lambda: Nucleus(1.5), r"in \(0, 1\]. Received: p=1.5"),
        (lambda: TopK(4, -1.0), "`temperature` must be positive"),
        (lambda: Greedy()(None, None, 0, None), "max_length=0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(NotImplementedError, match="must implement `choose`"):
        Sampler().choose(None, None)


NUM = 40000


def draws(logits, num=NUM, seed=0):
    rows = tf.tile(tf.constant(logits, tf.float32)[None], [num, 1])
    return categorical(rows, uniform([num, 2], as_seed(seed))).numpy()


@pytest.mark.parametrize("num_classes", [1, 2, 5, 9, 30])
def test_frequencies_are_the_softmax(rng, num_classes):
    logits = rng.normal(size=num_classes)
    found = np.bincount(draws(logits), minlength=num_classes)
    expected = NUM * np.exp(log_softmax(logits))
    if num_classes > 1:
        assert scipy.stats.chisquare(found, expected).pvalue > 1e-3
    assert found.sum() == NUM


def test_inverts_the_distribution_function():
    probs = np.array([0.1, 0.2, 0.0, 0.3, 0.4], "float32")
    # Blocks of three: (0.1, 0.2, 0) and (0.3, 0.4) hold 0.3 and 0.7.
    noise = [[0.29, 0.32], [0.29, 0.34], [0.31, 0.42], [0.31, 0.44], [0.99, 0.999]]
    logits = tf.tile(tf.constant(np.log(probs + 1e-30))[None], [5, 1])
    assert categorical(logits, noise).numpy().tolist() == [0, 1, 3, 4, 4]


def test_never_draws_what_is_ruled_out():
    logits = np.full(50, -1e9, "float32")
    logits[[7, 31]] = [0.0, -3.0]
    assert set(draws(logits)) == {7, 31}
    edges = tf.constant([[1e-7, 1e-7], [1.0 - 2.0**-24, 1.0 - 2.0**-24]])
    found = categorical(tf.constant([logits, logits]), edges).numpy()
    assert found.tolist() == [7, 31]


def test_keeps_the_resolution_of_a_rare_class():
    logits = np.zeros(10000, "float32")
    logits[0] = np.log(1e6)
    logits[9999] = np.log(0.5)
    # The last block holds 99.5 in weight of 1.01e6.
    noise = tf.constant([[1.0 - 1e-5, 98.9 / 99.5], [1.0 - 1e-5, 99.1 / 99.5]])
    found = categorical(tf.constant([logits, logits]), noise).numpy()
    assert found.tolist() == [9998, 9999]


def nucleus_by_sorting(logits, mass):
    probs = np.exp(log_softmax(logits))
    order = np.argsort(-probs)
    num = np.searchsorted(np.cumsum(probs[order]), mass) + 1
    return set(order[:num].tolist())


@pytest.mark.parametrize("mass", [1e-6, 0.1, 0.5, 0.9, 0.999])
def test_nucleus_is_the_smallest_set(rng, mass):
    logits = (2.0 * rng.normal(size=(20, 60))).astype("float32")
    kept = keep_nucleus(tf.constant(logits), mass).numpy()
    for row, found in zip(logits, kept, strict=True):
        inside = found > -1e8
        assert set(np.flatnonzero(inside)) == nucleus_by_sorting(row, mass)
        assert (found[inside] == row[inside]).all()


@pytest.mark.parametrize("mass", [1e-6, 0.1, 0.5, 0.9, 0.999])
def test_a_class_is_in_the_nucleus_or_not(rng, mass):
    logits = (2.0 * rng.normal(size=(20, 60))).astype("float32")
    classes = np.arange(60)
    for row in logits:
        weights = tf.exp(tf.constant([row] * 60))
        found = in_nucleus(weights, classes, mass).numpy()
        assert set(np.flatnonzero(found)) == nucleus_by_sorting(row, mass)


def test_nucleus_keeps_ties():
    logits = tf.constant([[1.0, 0.0, 0.0, 0.0, -5.0]])
    kept = keep_nucleus(logits, 0.6).numpy()[0] > -1e8
    assert kept.tolist() == [True, True, True, True, False]
