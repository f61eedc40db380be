import numpy as np
import pytest
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, make_decoder
from tfvae.decoders import Decoder
from tfvae.models.beam_search import BeamSearch
from tfvae.models.sampler import Sampler
from tfvae.models.sampling import (
    Ancestral,
    Greedy,
    Nucleus,
    TopK,
    generate,
    get_sampler,
)
from tfvae.seeds import as_seed

PAD_ID, BOS_ID, EOS_ID, UNK_ID = range(4)
# Padding and <s> are the likeliest of all, to see that they are never written.
LOGITS = np.array([9.0, 8.0, 0.3, 1.2, 0.8, -0.5], "float32")


class Scripted(Decoder):
    """Its logits favour, at each step, the word that the memory holds for it."""

    vocabulary_size = 8

    def initial_state(self, memory):
        return (tf.zeros([tf.shape(memory)[0]], tf.int32),)

    def step(self, token_ids, memory, state):
        words = tf.gather(memory, state[0], axis=1, batch_dims=1)
        return tf.one_hot(tf.cast(words, tf.int32), 8), (state[0] + 1,)


class Memoryless(Decoder):
    """The same logits at every step."""

    vocabulary_size = len(LOGITS)

    def initial_state(self, memory):
        return ()

    def step(self, token_ids, memory, state):
        return tf.tile(tf.constant(LOGITS)[None], [tf.shape(memory)[0], 1]), state


class Counted(Memoryless):
    """Counts its steps and their rows, and ends a row at the word of its memory."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def initial_state(self, memory):
        return (tf.zeros([tf.shape(memory)[0]], tf.int32),)

    def step(self, token_ids, memory, state):
        self.rows.append(len(token_ids))
        ends = tf.equal(state[0], tf.cast(memory[:, 0], tf.int32))
        return tf.one_hot(tf.where(ends, EOS_ID, 4), 6), (state[0] + 1,)


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
    decoder = built(inject=("state", "steps"))
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(0.8 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    return decoder


def built(**options):
    decoder = make_decoder(**options)
    decoder.build(3)
    return decoder


def test_greedy_is_a_manual_loop(rng):
    decoder = built(inject=("state", "cell", "steps", "first"))
    # Large weights for sentences that differ.
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(0.8 * np.eye(VOCABULARY_SIZE)[EOS_ID])
    memory = rng.normal(size=(20, 3)).astype("float32")
    found = generate(decoder, tf.constant(memory), Greedy(), 9, as_seed(0)).numpy()
    for row in range(20):
        state = decoder.initial_state(memory[row : row + 1])
        last, expected = BOS_ID, []
        while len(expected) < 9 and last != EOS_ID:
            logits, state = decoder.step(
                np.array([last], "int32"), memory[row : row + 1], state
            )
            last = 2 + int(np.argmax(logits.numpy()[0, 2:]))
            expected.append(last)
        assert found[row].tolist() == expected + [PAD_ID] * (9 - len(expected))
    assert len(np.unique(found, axis=0)) > 2
    assert (found == EOS_ID).any()


def test_stops_at_the_end_and_pads():
    script = tf.constant([[5, 6, EOS_ID, 7, 7], [7, EOS_ID, 5, 5, 5], [4, 4, 4, 4, 4]])
    found = generate(Scripted(), tf.cast(script, tf.float32), Greedy(), 5, as_seed(0))
    expected = [[5, 6, 2, 0, 0], [7, 2, 0, 0, 0], [4, 4, 4, 4, 4]]
    assert found.numpy().tolist() == expected
    assert found.dtype == tf.int32


def test_length_is_kept_when_all_end_early():
    script = tf.constant([[5.0, 2.0, 6.0], [2.0, 6.0, 6.0]])
    found = generate(Scripted(), script, Greedy(), 6, as_seed(0))
    assert found.numpy().tolist() == [[5, 2, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]


def test_ended_rows_cost_nothing():
    decoder = Counted()
    memory = tf.constant([[2.0], [0.0], [4.0], [0.0]])
    found = generate(decoder, memory, Greedy(), 9, as_seed(0)).numpy()
    assert decoder.rows == [4, 2, 2, 1, 1]
    assert (found == EOS_ID).argmax(1).tolist() == [2, 0, 4, 0]


@pytest.mark.parametrize("allow_unknown", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_ancestral_frequencies_are_the_softmax(temperature, allow_unknown):
    num = 20000
    sampler = Ancestral(temperature, allow_unknown)
    memory = tf.zeros([num, 0])
    words = generate(Memoryless(), memory, sampler, 1, as_seed(3)).numpy()[:, 0]
    assert_drawn_from(words, allowed_probs(temperature, allow_unknown))


def test_each_row_has_its_temperature():
    num = 20000
    temperature = tf.constant([0.5, 3.0] * (num // 2))
    # The end is as likely as anything: rows that leave take theirs along.
    sampler = Ancestral(temperature)
    words = generate(Memoryless(), tf.zeros([num, 0]), sampler, 2, as_seed(5)).numpy()
    for place, value in enumerate((0.5, 3.0)):
        rows = words[place::2]
        expected = allowed_probs(value)
        assert_drawn_from(rows[:, 0], expected)
        assert_drawn_from(rows[rows[:, 0] != EOS_ID, 1], expected)


def test_temperature_limits():
    rows = tf.zeros([4000, 0])
    cold = generate(Memoryless(), rows, Ancestral(1e-3), 1, as_seed(1)).numpy()
    assert (cold == UNK_ID).all()
    hot = generate(Memoryless(), rows, Ancestral(1e6), 1, as_seed(1)).numpy()
    assert_drawn_from(hot[:, 0], np.array([0.0, 0.0, 0.25, 0.25, 0.25, 0.25]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_top_k_is_the_softmax_of_the_largest(k, temperature):
    sampler = TopK(k, temperature)
    words = generate(Memoryless(), tf.zeros([20000, 0]), sampler, 1, as_seed(7))
    probs = allowed_probs(temperature)
    probs[np.argsort(-probs)[k:]] = 0.0
    assert_drawn_from(words.numpy()[:, 0], probs / probs.sum())


@pytest.mark.parametrize(
    ("p", "support"),
    [(0.3, {3}), (0.45, {3, 4}), (0.95, {2, 3, 4, 5}), (1.0, {2, 3, 4, 5})],
)
def test_nucleus_is_the_softmax_of_the_likeliest(p, support):
    # Of </s>, <unk> and two words: 0.18, 0.43, 0.29 and 0.08 or so.
    words = generate(Memoryless(), tf.zeros([20000, 0]), Nucleus(p), 1, as_seed(9))
    probs = allowed_probs(1.0)
    probs[[word for word in range(6) if word not in support]] = 0.0
    assert_drawn_from(words.numpy()[:, 0], probs / probs.sum())


@pytest.mark.parametrize(
    "sampler", [Greedy(), Ancestral(), TopK(3), Nucleus(0.8), BeamSearch(3)]
)
def test_a_row_depends_on_itself_alone(rng, sampler):
    decoder = talkative(rng)
    memory = rng.normal(size=(30, 3)).astype("float32")
    found = generate(decoder, tf.constant(memory), sampler, 9, as_seed(4)).numpy()
    assert len(np.unique(found, axis=0)) > 3
    # Neither on how many come after it nor on where the others end or are cut.
    fewer = generate(decoder, tf.constant(memory[:7]), sampler, 9, as_seed(4)).numpy()
    assert (fewer == found[:7]).all()
    others = np.concatenate([memory[:7], 3.0 * memory[7:]])
    mixed = generate(decoder, tf.constant(others), sampler, 9, as_seed(4)).numpy()
    assert (mixed[:7] == found[:7]).all()
    if not isinstance(sampler, BeamSearch):
        cut = generate(decoder, tf.constant(memory), sampler, 4, as_seed(4)).numpy()
        assert (cut == found[:, :4]).all()


@pytest.mark.parametrize("sampler", [Greedy(), Ancestral(), BeamSearch(2)])
def test_taking_out_ended_rows_changes_nothing(rng, sampler):
    decoder = talkative(rng)
    memory = tf.constant(rng.normal(size=(30, 3)), tf.float32)
    found = generate(decoder, memory, sampler, 9, as_seed(4), compact=True).numpy()
    kept = generate(decoder, memory, sampler, 9, as_seed(4), compact=False).numpy()
    assert (found == kept).all()
    assert 0 < (found == EOS_ID).any(1).sum() < 30


def test_ancestral_draws_are_independent_between_steps():
    num = 20000
    words = generate(
        Memoryless(), tf.zeros([num, 0]), Ancestral(), 2, as_seed(1)
    ).numpy()
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
    found = generate(Memoryless(), memory, Greedy(), 1, as_seed(0)).numpy()
    assert found.tolist() == [[UNK_ID]]
    sampler = Greedy(allow_unknown=False)
    found = generate(Memoryless(), memory, sampler, 1, as_seed(0)).numpy()
    assert found.tolist() == [[4]]


@pytest.mark.parametrize("compiled", [False, True])
def test_graph_is_the_plain_loop(rng, compiled):
    decoder = built(cell="gru")
    memory = tf.constant(rng.normal(size=(4, 3)).astype("float32"))
    samplers = [Greedy(), Ancestral(0.5)]
    if not compiled:
        samplers += [TopK(3), Nucleus(0.7), BeamSearch(2)]

    def run(memory, seed):
        return [
            generate(decoder, memory, sampler, 6, seed, compact=not compiled)
            for sampler in samplers
        ]

    signature = [tf.TensorSpec([None, 3]), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(run, input_signature=signature, jit_compile=compiled)
    expected = run(memory, as_seed(2))
    for found, wanted in zip(graph(memory, as_seed(2)), expected, strict=True):
        assert (found.numpy() == wanted.numpy()).all()
        assert wanted.numpy().max() < VOCABULARY_SIZE


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
        (lambda: generate(None, None, Greedy(), 0, None), "max_length=0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(NotImplementedError, match="must implement `choose`"):
        Sampler().choose(None, None)
