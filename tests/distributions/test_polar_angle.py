import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special

from tfvae.distributions.polar_angle import PolarAngle, log_sphere_area

CONCENTRATIONS = np.logspace(-3, 4, 15)
DIMS = (2, 3, 4, 10, 32, 64, 128, 256)


@pytest.mark.parametrize("dim", DIMS)
def test_normaliser_and_moments(dim):
    order = dim / 2 - 1
    k = CONCENTRATIONS
    bessel = special.ive(order, k)
    k, bessel = k[bessel > 1e-290], bessel[bessel > 1e-290]
    assert len(k) > 8
    polar = PolarAngle(k, dim)
    log_partition = np.log(bessel) - order * np.log(k / 2) + special.gammaln(dim / 2)
    ratio = special.ive(order + 1, k) / bessel
    derivative = 1 - ratio**2 - (dim - 1) * ratio / k
    found = polar.log_partition_minus_concentration
    np.testing.assert_allclose(found, log_partition, rtol=0, atol=1e-10)
    np.testing.assert_allclose(polar.mean_cosine(), ratio, rtol=1e-9)
    np.testing.assert_allclose(polar.cosine_variance(), derivative, rtol=0, atol=1e-10)


def test_small_concentrations_where_bessel_functions_vanish():
    # The first terms of the power series of 0F1(; dim / 2; k ** 2 / 4).
    k, dim = 1e-2, 256
    polar = PolarAngle(k, dim)
    expected = k**2 / (2 * dim) - k**4 / (4 * dim**2 * (dim + 2))
    assert float(polar.log_partition) == pytest.approx(expected, abs=1e-12)
    assert float(polar.mean_cosine()) == pytest.approx(k / dim, rel=1e-6)


def test_autodiff_gives_moments():
    k = tf.constant([0.5, 40.0, 3000.0], tf.float64)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(k)
        with tf.GradientTape() as inner:
            inner.watch(k)
            value = PolarAngle(k, 20).log_partition
        first = inner.gradient(value, k)
    polar = PolarAngle(k, 20)
    np.testing.assert_allclose(first, polar.mean_cosine(), rtol=1e-10)
    second = outer.gradient(first, k)
    np.testing.assert_allclose(second, polar.cosine_variance(), rtol=1e-7)


@pytest.mark.parametrize("dim", (2, 3, 32, 256))
@pytest.mark.parametrize("k", (0.5, 30.0, 1e4))
def test_quantiles(dim, k):
    def log_density(angle):
        excess = (dim - 2) * np.log(np.sin(angle)) if dim > 2 else 0.0
        return k * (np.cos(angle) - 1) + excess

    levels = np.array([1e-7, 1e-3, 0.3, 0.6, 0.999, 1 - 1e-7])
    tensor = tf.constant([k], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        angles = PolarAngle(tensor, dim).quantile(levels[:, None])[:, 0]
    slopes = tape.jacobian(angles, tensor)[:, 0].numpy()
    angles = angles.numpy()
    # Breakpoints keep the quadrature from overlooking a narrow peak.
    points = [0.0, *angles, np.pi]
    top = log_density(angles).max()

    def mass(start, stop, function=lambda angle: 1.0):
        def integrand(angle):
            return np.exp(log_density(angle) - top) * function(angle)

        return integrate.quad(integrand, start, stop, epsabs=0, epsrel=1e-11)[0]

    pieces = np.array([mass(*ends) for ends in zip(points, points[1:], strict=False)])
    cdf = np.cumsum(pieces)[:-1] / pieces.sum()
    np.testing.assert_allclose(cdf, levels, rtol=1e-6)
    mean = float(PolarAngle(k, dim).mean_cosine())
    tilts = [
        mass(*ends, lambda angle: np.cos(angle) - mean)
        for ends in zip(points, points[1:4], strict=False)
    ]
    expected = -np.cumsum(tilts) / np.exp(log_density(angles[:3]) - top)
    np.testing.assert_allclose(slopes[:3], expected, rtol=1e-5)
    assert (slopes < 0).all()


def test_area():
    assert np.exp(log_sphere_area(2)) == pytest.approx(2 * np.pi)
    assert np.exp(log_sphere_area(4)) == pytest.approx(2 * np.pi**2)
