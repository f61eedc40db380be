import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, special, stats

from tfvae.distributions.von_mises_fisher import (
    PolarAngle,
    SphericalUniform,
    VonMisesFisher,
    log_sphere_area,
)
from tfvae.seeds import as_seed

tfd = tfp.distributions

# Divergence from the uniform sphere by dimension: concentration to nats.
TABLE = {
    32: {1: 0.016, 1.5: 0.035, 5: 0.378, 10: 1.381, 20: 4.246, 35: 8.594, 50: 12.253}
    | {80: 17.863, 100: 20.759, 150: 26.291, 200: 30.373},
    50: {1: 0.010, 5: 0.246, 10: 0.947, 35: 7.743, 50: 12.105, 80: 19.515, 100: 23.571},
    64: {35: 6.943, 80: 19.702},
}


def unit(rng, *shape):
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype("float32")


def axis(dim, index=0, sign=1.0):
    return sign * np.eye(dim, dtype="float32")[index]


@pytest.mark.parametrize("dim", TABLE)
def test_divergence_table(dim):
    concentrations, expected = zip(*TABLE[dim].items(), strict=True)
    num = len(expected)
    posterior = VonMisesFisher(np.tile(axis(dim), (num, 1)), np.float32(concentrations))
    found = tfd.kl_divergence(posterior, SphericalUniform(dim, [num]))
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=5.1e-4)
    entropy = [
        stats.vonmises_fisher(axis(dim).astype("float64"), each).entropy()
        for each in concentrations
    ]
    np.testing.assert_allclose(posterior.entropy(), entropy, rtol=1e-4)


def test_density_integrates_to_one_on_the_two_sphere():
    nodes, weights = np.polynomial.legendre.leggauss(200)
    azimuth = np.arange(100) * 2 * np.pi / 100
    sine = np.sqrt(1 - nodes**2)[:, None]
    points = [sine * np.cos(azimuth), sine * np.sin(azimuth), nodes[:, None] + 0 * sine]
    points = np.stack(np.broadcast_arrays(*points), -1).astype("float32")
    posterior = VonMisesFisher(np.float32([0.6, 0.0, 0.8]), np.float32(9.0))
    density = posterior.prob(points).numpy().astype("float64")
    total = (density * weights[:, None]).sum() * 2 * np.pi / 100
    assert total == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("dim", (2, 3, 10, 64))
@pytest.mark.parametrize("concentration", (0.1, 7.0, 300.0))
def test_density_is_scipys(rng, dim, concentration):
    mean, z = unit(rng, dim), unit(rng, 20, dim)
    posterior = VonMisesFisher(mean, np.float32(concentration))
    expected = stats.vonmises_fisher(mean.astype("float64"), concentration).logpdf(z)
    np.testing.assert_allclose(posterior.log_prob(z), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dim", (2, 3, 8, 64))
@pytest.mark.parametrize("concentration", (0.5, 20.0, 2000.0))
def test_moments_of_samples(rng, dim, concentration):
    num = 20000
    mean = unit(rng, dim)
    posterior = VonMisesFisher(mean, np.float32(concentration))
    z = posterior.sample(num, seed=as_seed(3)).numpy().astype("float64")
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-5)
    polar = PolarAngle(concentration, dim)
    cosine, variance = float(polar.mean_cosine()), float(polar.cosine_variance())
    assert abs((z @ mean).mean() - cosine) < 4 * (variance / num) ** 0.5
    covariance = posterior.covariance().numpy()
    other = np.cross(mean, axis(3)) if dim == 3 else unit(rng, dim)
    for direction in (mean, other):
        along = z @ direction
        expected = direction @ covariance @ direction
        centre = direction @ posterior.mean().numpy()
        squares = (along - centre) ** 2
        error = 4 * squares.std() / num**0.5
        # The mean direction is a unit vector to float32 only.
        assert abs(squares.mean() - expected) < error + 1e-6
        assert abs(along.mean() - centre) < 4 * (expected / num) ** 0.5 + 1e-6


@pytest.mark.long
@pytest.mark.parametrize("dim", (2, 3, 32))
def test_sample_gradients(rng, dim):
    num, k = 20000, 6.0
    mean = unit(rng, dim)
    target = unit(rng, dim)
    # One row a sample, so that each has a gradient of its own.
    means = tf.constant(np.tile(mean, (num, 1)))
    concentrations = tf.fill([num], k)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([means, concentrations])
        posterior = VonMisesFisher(tf.math.l2_normalize(means, -1), concentrations)
        z = posterior.sample(1, seed=as_seed(5))[0]
        cosine = tf.reduce_sum(z * mean, -1)
        along = tf.reduce_sum(z * target, -1)
    polar = PolarAngle(k, dim)
    by_k = tape.gradient(cosine, concentrations).numpy()
    error = 4 * by_k.std() / num**0.5
    assert abs(by_k.mean() - float(polar.cosine_variance())) < error
    # E[z] = A * mean, so E[z . target] has the gradient A * (target - its part
    # along the mean).
    by_mean = tape.gradient(along, means).numpy()
    tangent = target - (target @ mean) * mean
    expected = float(polar.mean_cosine()) * tangent
    error = 4 * by_mean.std(0) / num**0.5 + 1e-5
    assert (abs(by_mean.mean(0) - expected) < error).all()
    assert posterior.reparameterization_type == tfd.FULLY_REPARAMETERIZED


@pytest.mark.parametrize("dim", (2, 3, 256))
def test_extremes_are_finite(dim):
    directions = [axis(dim, i, s) for i in (0, dim - 1) for s in (1.0, -1.0)]
    near = axis(dim) + 1e-7 * axis(dim, 1)
    means = tf.constant(np.stack([*directions, near])[None])
    k = tf.constant([[1e-3], [1.0], [1e4]])
    with tf.GradientTape() as tape:
        tape.watch([means, k])
        posterior = VonMisesFisher(tf.tile(means, [3, 1, 1]), tf.tile(k, [1, 5]))
        z, log_q = posterior.experimental_sample_and_log_prob(40, seed=as_seed(0))
        kl = tfd.kl_divergence(posterior, SphericalUniform(dim, [3, 5]))
        total = tf.reduce_sum(z[..., 0] + log_q) + tf.reduce_sum(kl)
    values = [z, log_q, kl, *tape.gradient(total, [means, k])]
    assert all(np.isfinite(value).all() for value in values)
    assert kl.shape == (3, 5)
    close = tf.reduce_sum(z * means, -1).numpy()[:, 2]
    assert (close > 1 - 0.1 * dim / 100).all()


@pytest.mark.long
def test_the_same_with_xla(rng):
    means, k = unit(rng, 4, 6), np.float32([0.01, 1.0, 50.0, 5000.0])

    def run(means, k):
        with tf.GradientTape() as tape:
            tape.watch([means, k])
            posterior = VonMisesFisher(means, k)
            z, log_q = posterior.experimental_sample_and_log_prob(3, seed=as_seed(1))
            kl = tfd.kl_divergence(posterior, SphericalUniform(6, tf.shape(k)))
            total = tf.reduce_sum(z[..., 0]) + tf.reduce_sum(log_q + kl)
        return z, log_q, kl, *tape.gradient(total, [means, k])

    specs = [tf.TensorSpec([None, 6]), tf.TensorSpec([None])]
    compiled = tf.function(run, input_signature=specs, jit_compile=True)
    found = compiled(means, k)
    expected = run(tf.constant(means), tf.constant(k))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4)


def test_errors():
    with pytest.raises(ValueError, match="known last axis of at least 2.*1"):
        VonMisesFisher([1.0], 2.0)


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


def test_density_of_samples_with_dynamic_shapes():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)], jit_compile=True)
    def draw(size):
        sphere = SphericalUniform(4, [size])
        return sphere.experimental_sample_and_log_prob(3, seed=as_seed(0))

    z, log_prob = draw(5)
    assert z.shape == (3, 5, 4)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(log_prob, np.full((3, 5), -log_sphere_area(4)))
    np.testing.assert_allclose(
        z, SphericalUniform(4, [5]).sample(3, seed=as_seed(0)), rtol=1e-4, atol=1e-6
    )


def test_moments():
    num, dim = 20000, 5
    z = SphericalUniform(dim).sample(num, seed=as_seed(0)).numpy()
    # A coordinate has variance 1 / dim and fourth moment 3 / (dim (dim + 2)).
    assert (abs(z.mean(0)) < 4 * (1 / dim / num) ** 0.5).all()
    spread = (3 / (dim * (dim + 2)) - 1 / dim**2) ** 0.5
    assert (abs((z**2).mean(0) - 1 / dim) < 4 * spread / num**0.5).all()


@pytest.mark.long
@pytest.mark.parametrize("dim", [2, 3, 32])
def test_divergence_of_two(dim, rng):
    concentrations = np.float32([0.5, 3.0, 60.0, 900.0])
    means = unit(rng, 4, dim), unit(rng, 4, dim)
    posterior = VonMisesFisher(means[0], concentrations)
    prior = VonMisesFisher(means[1], np.float32([2.0, 40.0, 5.0, 300.0]))
    found = tfd.kl_divergence(posterior, prior).numpy()
    z = posterior.sample(100_000, seed=as_seed(1))
    ratio = (posterior.log_prob(z) - prior.log_prob(z)).numpy().astype("float64")
    assert (abs(ratio.mean(0) - found) < 4 * ratio.std(0) / 100_000**0.5 + 1e-3).all()
    # In three dimensions by the closed form of the mean cosine, coth(k) - 1 / k.
    if dim == 3:
        k, other = concentrations.astype("float64"), prior.concentration.numpy()
        cosine = (means[0].astype("float64") * means[1]).sum(-1)
        mean_cosine = 1 / np.tanh(k) - 1 / k

        def log_partition(x):
            return x + np.log1p(-np.exp(-2 * x)) - np.log(2 * x)

        expected = mean_cosine * (k - other * cosine)
        expected += log_partition(other) - log_partition(k)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(tfd.kl_divergence(posterior, posterior), 0, atol=1e-6)
