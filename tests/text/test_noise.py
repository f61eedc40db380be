import numpy as np
import pytest
import tensorflow as tf

from tfvae.text.noise import word_dropout


def test_replaces_the_right_share_and_nothing_else():
    tokens = tf.constant(np.tile([1, 5, 6, 7, 0], (4000, 1)), tf.int32)
    noisy = word_dropout(tokens, 0.3, seed=[1, 2]).numpy()
    kept = noisy == tokens.numpy()
    assert kept[:, [0, 4]].all()
    assert (noisy[~kept] == 3).all()
    count = 12000
    error = (0.3 * 0.7 / count) ** 0.5
    assert abs((~kept).sum() / count - 0.3) < 4 * error


def test_places_are_independent():
    noisy = word_dropout(tf.fill([20000, 2], 9), 0.5, seed=[3, 4]).numpy() == 3
    both = noisy.all(axis=1).mean()
    assert abs(both - 0.25) < 4 * (0.25 * 0.75 / 20000) ** 0.5


def test_rates_zero_and_one():
    tokens = tf.constant([[1, 8, 2, 0]], tf.int64)
    assert word_dropout(tokens, 0.0, [0, 0]).numpy().tolist() == [[1, 8, 2, 0]]
    noisy = word_dropout(tokens, 1.0, [0, 0])
    assert noisy.numpy().tolist() == [[1, 3, 3, 0]]
    assert noisy.dtype == tf.int64


def test_is_a_function_of_its_seed():
    tokens = tf.fill([50, 10], 7)
    first = word_dropout(tokens, 0.5, [1, 1]).numpy()
    assert (first == word_dropout(tokens, 0.5, [1, 1]).numpy()).all()
    assert (first != word_dropout(tokens, 0.5, [1, 2]).numpy()).any()


def test_compiles_with_unknown_shape_and_tensor_rate():
    signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.float32)]

    @tf.function(input_signature=signature, jit_compile=True)
    def compiled(tokens, rate):
        return word_dropout(tokens, rate, [5, 6])

    tokens = tf.constant([[1, 4, 5, 6, 0]])
    expected = word_dropout(tokens, 0.5, [5, 6]).numpy()
    assert (compiled(tokens, 0.5).numpy() == expected).all()


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_refuses_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match="rate="):
        word_dropout([[4]], rate, [0, 0])
