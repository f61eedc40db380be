import numpy as np
import pytest
import tensorflow as tf

from tfvae.layers import dropout, require_rate
from tfvae.layers.dropout import word_dropout
from tfvae.seeds import as_seed

RATE = 0.3


@pytest.fixture
def dropped():
    return dropout(tf.ones([40, 50, 10]), RATE, as_seed(1)).numpy()


def test_share_of_zeros_and_scale_of_the_rest(dropped):
    share = (dropped == 0).mean()
    assert abs(share - RATE) < 4 * (RATE * (1 - RATE) / dropped.size) ** 0.5
    np.testing.assert_allclose(dropped[dropped != 0], 1 / (1 - RATE), rtol=1e-6)


def test_expectation_is_the_input(dropped):
    error = (RATE / (1 - RATE) / dropped.size) ** 0.5
    assert abs(dropped.mean() - 1.0) < 4 * error


def test_masks_are_fresh_along_time(dropped):
    # Independent masks agree where both keep or both drop.
    agreement = RATE**2 + (1 - RATE) ** 2
    same = ((dropped[0] == 0) == (dropped[1] == 0)).mean()
    error = (agreement * (1 - agreement) / dropped[0].size) ** 0.5
    assert abs(same - agreement) < 4 * error


def test_mask_is_a_function_of_its_seed(dropped):
    ones = tf.ones(dropped.shape)
    assert (dropout(ones, RATE, as_seed(1)).numpy() == dropped).all()
    assert (dropout(ones, RATE, as_seed(2)).numpy() != dropped).any()


def test_compiled_mask_is_that_of_the_plain_run(dropped):
    # The seed is an argument: with a constant, TensorFlow computes the mask before
    # XLA sees it.
    compiled = tf.function(lambda x, seed: dropout(x, RATE, seed), jit_compile=True)
    assert (compiled(tf.ones(dropped.shape), as_seed(1)).numpy() == dropped).all()


def test_rate_zero_needs_no_seed():
    inputs = tf.constant([1.0, 2.0])
    assert dropout(inputs, 0.0, None) is inputs


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_refuses_a_rate_outside_its_range(rate):
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\).*rate="):
        dropout(tf.ones([2]), rate, as_seed(0))
    with pytest.raises(ValueError, match="`word_share` must be"):
        require_rate("word_share", rate)


def test_refuses_training_without_a_seed():
    with pytest.raises(ValueError, match="needs a `seed`.*training=False"):
        dropout(tf.ones([2]), 0.5, None)


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
