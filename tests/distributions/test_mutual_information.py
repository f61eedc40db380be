import numpy as np
import pytest
import tensorflow as tf

from tfvae.distributions.divergences import (
    bounded_exp,
    donsker_varadhan,
    log_mean_exp,
    roll_batch,
    tangent_bound,
)


def test_values(rng):
    joint, product = rng.normal(size=(2, 3, 5)).astype("float32")
    mean = np.exp(product.astype("float64")).mean()
    assert float(log_mean_exp(product)) == pytest.approx(np.log(mean), rel=1e-5)
    expected = joint.mean() - np.log(mean)
    assert float(donsker_varadhan(joint, product)) == pytest.approx(expected, rel=1e-5)
    expected = joint.mean() - np.exp(0.3) * mean + 0.3 + 1.0
    found = tangent_bound(joint, product, 0.3)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    best = tangent_bound(joint, product, -log_mean_exp(product))
    found = donsker_varadhan(joint, product)
    assert float(best) == pytest.approx(float(found), rel=1e-5)


def test_the_exact_critic_reaches_the_divergence(rng):
    # q = N(1, 0.5 ** 2), p = N(0, 1), whose divergence is
    # log 2 + (0.25 + 1) / 2 - 1 / 2.
    num = 100000
    own = 1.0 + 0.5 * rng.normal(size=num)
    other = rng.normal(size=num)
    scores = [np.log(2.0) - 2.0 * (z - 1.0) ** 2 + 0.5 * z**2 for z in (own, other)]
    error = (scores[0].var() / num + np.exp(scores[1]).var() / num) ** 0.5
    scores = [tf.constant(values, tf.float32) for values in scores]
    for bound in (donsker_varadhan, tangent_bound):
        assert abs(float(bound(*scores)) - 0.8181472) < 4 * error


@pytest.mark.parametrize("size", [-200.0, 200.0, 1e4])
def test_large_scores_are_finite(size):
    scores = tf.fill([2, 3], size)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        found = [f(-scores, scores) for f in (donsker_varadhan, tangent_bound)]
        found.append(tangent_bound(scores, scores, -tf.constant(size)))
    assert np.isfinite(found).all()
    assert float(found[0]) == pytest.approx(-2.0 * size)
    gradients = [tape.gradient(value, scores).numpy() for value in found]
    # Adam squares them.
    assert np.isfinite(np.square(gradients)).all()


def test_the_exponential_up_to_its_bound():
    values = [-50.0, 0.0, 40.0, 42.0]
    expected = [np.exp(-50.0), 1.0, np.exp(40.0), 3 * np.exp(40.0)]
    np.testing.assert_allclose(bounded_exp(tf.constant(values)), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_rolling_has_no_fixed_point(size):
    z = tf.range(size)[None, :, None]
    seen = set()
    for shift in range(10):
        rolled = roll_batch(z, shift)[0, :, 0].numpy()
        assert (rolled != np.arange(size)).all()
        assert sorted(rolled) == list(range(size))
        seen.add(tuple(rolled))
    assert len(seen) == size - 1


def test_rolling_one_row():
    assert roll_batch(tf.constant([[3.0]]), 4).numpy().tolist() == [[3.0]]
