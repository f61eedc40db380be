import numpy as np
import pytest

from tfvae.distributions.divergences import inverse_multiquadratic, mmd, rbf

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
