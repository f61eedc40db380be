"""Mutual information by hand; other posteriors are compared in `tests/evaluation`."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfvae.distributions.aggregated_posterior import mutual_information
from tfvae.latents import Gaussian


def estimate(locs, **options):
    locs = tf.constant(locs, tf.float32)[:, None]
    params = {"loc": locs, "log_variance": tf.zeros_like(locs)}
    return mutual_information(Gaussian(1), params, locs[None], **options)


def test_by_hand():
    # Posteriors that are alike say nothing, those far apart which one it is.
    assert estimate([1.0, 1.0, 1.0]).value == pytest.approx(0.0, abs=1e-12)
    found = estimate([0.0, 50.0, 100.0, 150.0])
    assert found.value == pytest.approx(math.log(4)) == found.cap
    # Two at a distance of 2, each code at its own mean.
    expected = -math.log(0.5 * (1.0 + math.exp(-2.0)))
    assert estimate([0.0, 2.0]).value == pytest.approx(expected, rel=1e-6)
    # Without its own posterior a code is only near the other one.
    found = estimate([0.0, 2.0], leave_one_out=True)
    assert found.value == pytest.approx(2.0, rel=1e-6) and found.cap == math.inf


def test_blocks_are_compared_by_themselves():
    found = estimate([0.0, 50.0, 0.0, 50.0, 7.0], block_size=2)
    np.testing.assert_allclose(
        found.by_sentence, [math.log(2)] * 4 + [0.0], rtol=1e-6, atol=1e-12
    )
