import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support import log_softmax, make_decoder
from tfvae.samplers import BeamSearch, Greedy
from tfvae.seeds import as_seed

PAD_ID, BOS_ID, EOS_ID, UNK_ID = range(4)
VOCABULARY_SIZE = 7


class Table:
    """Logits by the two last words and the row; its state has scalars and matrices."""

    def __init__(self, tables):
        self.tables = tf.constant(tables, tf.float32)

    def initial_state(self, memory, max_length):
        num_rows = tf.shape(memory)[0]
        buffer = tf.fill([num_rows, 2, 1], BOS_ID)
        return (tf.constant(0), buffer, tf.cast(memory[:, 0], tf.int32))

    def next_logits(self, token_ids, memory, state):
        time, buffer, row = state
        buffer = tf.concat([buffer[:, 1:], token_ids[:, None, None]], axis=1)
        places = tf.stack([row, buffer[:, 0, 0], buffer[:, 1, 0]], axis=1)
        return tf.gather_nd(self.tables, places), (time + 1, buffer, row)


def sentences(max_length, allow_unknown=True):
    """Lists all sentences, ended and cut off."""
    words = [4, 5, 6] + ([UNK_ID] if allow_unknown else [])
    for length in range(max_length):
        for beginning in itertools.product(words, repeat=length):
            yield [*beginning, EOS_ID]
    yield from (list(cut) for cut in itertools.product(words, repeat=max_length))


def log_prob(table, sentence):
    last, total = [BOS_ID, BOS_ID], 0.0
    for word in sentence:
        total += log_softmax(table[last[0], last[1]])[word]
        last = [last[1], word]
    return total


def enumerated(table, max_length, normalization=0.0, allow_unknown=True):
    """Ranks all sentences: a list of score, log-probability and padded ids."""
    ranked = []
    for sentence in sentences(max_length, allow_unknown):
        log = log_prob(table, sentence)
        score = log / len(sentence) ** normalization
        padded = sentence + [PAD_ID] * (max_length - len(sentence))
        ranked.append((score, log, padded))
    return sorted(ranked, reverse=True)


@pytest.fixture
def tables(rng):
    shape = (3, *[VOCABULARY_SIZE] * 3)
    return 2.0 * rng.normal(size=shape)


ROWS = tf.constant([[0.0], [1.0], [2.0]])


@pytest.mark.parametrize("allow_unknown", [True, False])
@pytest.mark.parametrize("normalization", [0.0, 1.0])
def test_wide_search_is_enumeration(tables, normalization, allow_unknown):
    # As many beams as there are beginnings: nothing is ever lost.
    search = BeamSearch(128, normalization, allow_unknown)
    found = search.search(Table(tables), ROWS, 3)
    for row in range(3):
        expected = enumerated(tables[row], 3, normalization, allow_unknown)
        num = min(len(expected), 128)
        scores = [score for score, _, _ in expected[:num]]
        np.testing.assert_allclose(found.score[row, :num], scores, atol=1e-4)
        logs = [log for _, log, _ in expected[:num]]
        np.testing.assert_allclose(found.log_prob[row, :num], logs, atol=1e-4)
        ids = [ids for _, _, ids in expected[:num]]
        assert found.token_ids[row, :num].numpy().tolist() == ids
        # What is left are beams that do not exist.
        assert (found.log_prob[row, num:].numpy() < -1e20).all()
    best = search(Table(tables), ROWS, 3)
    assert (best.numpy() == found.token_ids[:, 0].numpy()).all()


def by_hand(table, num_beams, max_length, normalization):
    """Searches in plain Python."""
    beams = [([], 0.0)]

    def score(beam):
        return beam[1] / max(len(beam[0]), 1) ** normalization

    for _ in range(max_length):
        candidates = []
        for words, log in beams:
            if words and words[-1] == EOS_ID:
                candidates.append((words, log))
                continue
            last = ([BOS_ID, BOS_ID] + words)[-2:]
            logs = log_softmax(table[last[0], last[1]])
            candidates += [(words + [w], log + logs[w]) for w in range(2, 7)]
        beams = sorted(candidates, key=score, reverse=True)[:num_beams]
    return [words + [PAD_ID] * (max_length - len(words)) for words, _ in beams]


@pytest.mark.parametrize("normalization", [0.0, 0.7])
@pytest.mark.parametrize("num_beams", [1, 2, 4])
def test_narrow_search_is_a_manual_loop(tables, num_beams, normalization):
    search = BeamSearch(num_beams, normalization)
    found = search.search(Table(tables), ROWS, 6).token_ids.numpy()
    for row in range(3):
        expected = by_hand(tables[row], num_beams, 6, normalization)
        assert found[row].tolist() == expected
    assert (search(Table(tables), ROWS, 6).numpy() == found[:, 0]).all()
    assert (found == EOS_ID).any()


def test_scores_are_the_decoders_likelihoods(rng):
    decoder = make_decoder(conditioning=("state", "cell", "inputs"))
    decoder.build(memory_dim=3)
    shapes = [values.shape for values in decoder.get_weights()]
    decoder.set_weights([rng.normal(size=shape) for shape in shapes])
    decoder.output_layer.bias.assign(2.0 * np.eye(11)[EOS_ID])
    memory = tf.constant(rng.normal(size=(5, 3)), tf.float32)
    found = BeamSearch(4).search(decoder, memory, 8)
    ids = found.token_ids.numpy()
    ended = (ids == EOS_ID).any(-1)
    assert ended.sum() > 4
    words = np.where(ids == EOS_ID, PAD_ID, ids)
    for beam in range(4):
        logs = decoder.log_prob(tf.constant(words[:, beam]), memory[None])[0].numpy()
        chosen = ended[:, beam]
        np.testing.assert_allclose(
            found.log_prob.numpy()[chosen, beam], logs[chosen], rtol=1e-4, atol=1e-4
        )
    one = BeamSearch(1)(decoder, memory, 8, as_seed(0)).numpy()
    assert (one == Greedy()(decoder, memory, 8, as_seed(0)).numpy()).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BeamSearch(0), "at least 1. Received: num_beams=0"),
        (lambda: BeamSearch(2, -1.0), "length_normalization=-1.0"),
        (lambda: BeamSearch().search(None, None, 0), "max_length=0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
