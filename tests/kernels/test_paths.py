import numpy as np
import pytest
from scipy.spatial import geometric_slerp

from tfvae.kernels.paths import interpolation_path, slerp, vector_arithmetic

FRACTIONS = np.linspace(0.0, 1.0, 7)


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_slerp_is_scipys(rng):
    first, last = unit(rng.normal(size=5)), unit(rng.normal(size=5))
    expected = geometric_slerp(first, last, FRACTIONS)
    np.testing.assert_allclose(slerp(first, last, FRACTIONS), expected, atol=1e-12)


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-7, 1e-5, 3.0, 3.1415])
def test_slerp_turns_by_equal_angles(distance):
    first = np.array([1.0, 0.0, 0.0])
    last = np.array([np.cos(distance), np.sin(distance), 0.0])
    angles = FRACTIONS * distance
    expected = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    np.testing.assert_allclose(slerp(first, last, FRACTIONS), expected, atol=1e-9)


def test_slerp_changes_the_norm_evenly(rng):
    first, last = 2.0 * unit(rng.normal(size=4)), 5.0 * unit(rng.normal(size=4))
    norms = np.linalg.norm(slerp(first, last, FRACTIONS), axis=1)
    np.testing.assert_allclose(norms, 2.0 + 3.0 * FRACTIONS)


def test_path_has_equal_steps(rng):
    first, last = rng.normal(size=(2, 3))
    fractions, codes = interpolation_path(first, last, 11)
    np.testing.assert_allclose(fractions, np.arange(11) / 10)
    assert (codes[0] == first).all() and (codes[-1] == last).all()
    np.testing.assert_allclose(np.diff(codes, axis=0) * 10, [last - first] * 10)
    _, codes = interpolation_path(first, last, 3, "sphere")
    np.testing.assert_allclose(codes, slerp(first, last, [0.0, 0.5, 1.0]))


def test_arithmetic():
    found = vector_arithmetic([3.0, 0.0], [[1.0, 1.0], [0.5, 0.0]], [[1.5, 5.0]])
    assert found.tolist() == [3.0, 4.0]
    found = vector_arithmetic([3.0, 0.0], [], [[0.0, 4.0]], support="sphere")
    np.testing.assert_allclose(found, [0.6, 0.8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: slerp([0.0, 0.0], [1.0, 0.0], [0.5]), "must not be zero"),
        (lambda: slerp([1.0, 0.0], [-2.0, 0.0], [0.5]), "must not be opposite"),
        (lambda: interpolation_path([0.0], [1.0], 1), "at least 2.*num_steps=1"),
        (lambda: interpolation_path([0.0], [1.0], 2, "arc"), "path='arc'"),
        (
            lambda: vector_arithmetic([1.0, 0.0], [[1.0, 0.0]], [], "sphere"),
            "no direction on the sphere",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
