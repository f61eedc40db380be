import numpy as np
import pytest
import tensorflow as tf

from tfvae.ops import sequences

TOKENS = tf.constant([[5, 6, 7], [8, 0, 0], [0, 0, 0]], tf.int32)


def test_lengths_count_words():
    assert sequences.lengths(TOKENS).numpy().tolist() == [3, 1, 0]


def test_append_eos_follows_the_last_word():
    found = sequences.append_eos(TOKENS).numpy().tolist()
    assert found == [[5, 6, 7, 2], [8, 2, 0, 0], [2, 0, 0, 0]]


def test_prepend_bos_precedes_every_row():
    found = sequences.prepend_bos(TOKENS).numpy().tolist()
    assert found == [[1, 5, 6, 7], [1, 8, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("bos", "eos", "expected"),
    [
        (False, False, [[5, 6, 7], [8, 0, 0], [0, 0, 0]]),
        (True, False, [[1, 5, 6, 7], [1, 8, 0, 0], [1, 0, 0, 0]]),
        (False, True, [[5, 6, 7, 2], [8, 2, 0, 0], [2, 0, 0, 0]]),
        (True, True, [[1, 5, 6, 7, 2], [1, 8, 2, 0, 0], [1, 2, 0, 0, 0]]),
    ],
)
def test_add_special_tokens(bos, eos, expected):
    found = sequences.add_special_tokens(TOKENS, bos=bos, eos=eos)
    assert found.numpy().tolist() == expected
    assert found.dtype == tf.int32


def test_special_tokens_keep_the_type_of_the_ids():
    found = sequences.append_eos(tf.cast(TOKENS, tf.int64))
    assert found.dtype == tf.int64
    assert found.numpy()[1].tolist() == [8, 2, 0, 0]


def test_reverse_leaves_the_padding():
    found = sequences.reverse(TOKENS, sequences.lengths(TOKENS)).numpy().tolist()
    assert found == [[7, 6, 5], [8, 0, 0], [0, 0, 0]]


def test_state_at_gathers_the_state_after_the_last_word():
    states = np.arange(1.0, 19.0, dtype="float32").reshape(3, 3, 2)
    found = sequences.state_at(states, tf.constant([3, 1, 0])).numpy()
    assert found.tolist() == [[13.0, 14.0], [3.0, 4.0], [0.0, 0.0]]
