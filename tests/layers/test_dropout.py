import numpy as np
import pytest
import tensorflow as tf

from tfvae.layers import dropout, require_rate
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
