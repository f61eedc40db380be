import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.support import log_softmax
from tfvae.kernels.categorical import categorical, keep_largest, keep_nucleus
from tfvae.seeds import as_seed, uniform

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


def test_largest():
    values, classes = keep_largest(tf.constant([[0.5, 2.0, 1.0, 2.0]]), 3)
    assert classes.numpy().tolist() == [[1, 3, 2]]
    assert values.numpy().tolist() == [[2.0, 2.0, 1.0]]
    assert keep_largest(tf.zeros([1, 2]), 7)[1].shape == (1, 2)


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


def test_nucleus_keeps_ties():
    logits = tf.constant([[1.0, 0.0, 0.0, 0.0, -5.0]])
    kept = keep_nucleus(logits, 0.6).numpy()[0] > -1e8
    assert kept.tolist() == [True, True, True, True, False]
