import numpy as np
import pytest
import tensorflow as tf

from tfvae.distributions.divergences import (
    bounded_exp,
    donsker_varadhan,
    inverse_multiquadratic,
    log_mean_exp,
    mmd,
    rbf,
    roll_batch,
    tangent_bound,
)

SCALES = (0.1, 1.0, 5.0)


def by_hand(name, x, y, base):
    values = np.zeros((len(x), len(y)))
    for i, one in enumerate(x):
        for j, other in enumerate(y):
            distance = sum((one - other) ** 2)
            for scale in SCALES:
                constant = base * len(one) * scale
                if name == "rbf":
                    values[i, j] += np.exp(-distance / constant)
                else:
                    values[i, j] += constant / (constant + distance)
    return values


@pytest.mark.parametrize("kernel", [inverse_multiquadratic, rbf])
def test_loops(rng, kernel):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)) + 1.0

    def usual(one, other):
        return kernel(one, other, base=4.0, scales=SCALES)

    name = kernel.__name__
    within_x, within_y = by_hand(name, x, x, 4.0), by_hand(name, y, y, 4.0)
    cross = by_hand(name, x, y, 4.0)
    np.testing.assert_allclose(usual(x, y), cross, rtol=1e-5)
    expected = sum(within_x[i, j] for i in range(4) for j in range(4) if i != j) / 12
    expected += sum(within_y[i, j] for i in range(5) for j in range(5) if i != j) / 20
    expected -= 2 * cross.mean()
    assert float(mmd(x, y, usual)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kernel", [inverse_multiquadratic, rbf])
def test_unbiased(rng, kernel):
    x, y = rng.normal(size=(2, 2000, 6, 4))
    values = mmd(x, y, kernel).numpy()
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5
    assert values.min() < 0.0
    shifted = mmd(x, y + 1.0, kernel).numpy()
    assert shifted.mean() > 4 * shifted.std() / len(values) ** 0.5


def test_a_sample_of_one_is_finite():
    assert float(mmd([[0.0]], [[1.0]], rbf)) == pytest.approx(-2 * np.exp(-0.5))


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
