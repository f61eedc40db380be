import numpy as np
import pytest
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, make_decoder
from tfvae.decoders import Decoder
from tfvae.models.sampling import Ancestral, Greedy, Sampler, generate, get_sampler
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


@pytest.mark.parametrize("allow_unknown", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_ancestral_frequencies_are_the_softmax(temperature, allow_unknown):
    num = 20000
    sampler = Ancestral(temperature, allow_unknown)
    memory = tf.zeros([num, 0])
    words = generate(Memoryless(), memory, sampler, 1, as_seed(3)).numpy()[:, 0]
    allowed = np.arange(len(LOGITS)) >= 2
    allowed[UNK_ID] = allow_unknown
    weights = np.where(allowed, np.exp(LOGITS / temperature), 0.0)
    expected = weights / weights.sum()
    found = np.bincount(words, minlength=len(LOGITS)) / num
    error = np.sqrt(expected * (1 - expected) / num)
    assert (abs(found - expected) <= 4 * error).all()


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
@pytest.mark.parametrize("sampler", ["greedy", "ancestral"])
def test_graph_is_the_plain_loop(rng, sampler, compiled):
    decoder = built(cell="gru")
    memory = tf.constant(rng.normal(size=(4, 3)).astype("float32"))
    sampler = get_sampler(sampler)

    def run(memory, seed):
        return generate(decoder, memory, sampler, 6, seed)

    signature = [tf.TensorSpec([None, 3]), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(run, input_signature=signature, jit_compile=compiled)
    expected = run(memory, as_seed(2)).numpy()
    assert (graph(memory, as_seed(2)).numpy() == expected).all()
    assert expected.max() < VOCABULARY_SIZE


def test_samplers_by_name():
    assert type(get_sampler("greedy")) is Greedy
    assert type(get_sampler("ancestral")) is Ancestral
    sampler = Ancestral(0.5)
    assert get_sampler(sampler) is sampler


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: get_sampler("beam"), r"\['ancestral', 'greedy'\].*sampler='beam'"),
        (lambda: Ancestral(0.0), "`temperature` must be positive.*0.0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    with pytest.raises(NotImplementedError, match="must implement `choose`"):
        Sampler().choose(None, None)
