import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions import Planar
from tfvae.distributions.planar import FlowedNormal
from tfvae.seeds import as_seed

tfd = tfp.distributions

DIM, ROWS = 4, 6
# `weight' shift`, the last four where the map is all but flat at its centre.
PRODUCTS = np.array([3.0, 0.0, -1.0, -4.0, -6.0, -8.0])


def make_parameters(rng, products=PRODUCTS, dim=DIM):
    """Creates parameters with given products of weight and shift."""
    weight = rng.normal(size=(len(products), dim))
    shift = rng.normal(size=weight.shape)
    missing = products - (weight * shift).sum(-1)
    shift += (missing / (weight**2).sum(-1))[:, None] * weight
    bias = rng.normal(size=len(products))
    return [each.astype("float32") for each in (weight, shift, bias)]


@pytest.fixture
def parameters(rng):
    return make_parameters(rng)


@pytest.fixture
def z(rng):
    return rng.normal(size=(ROWS, DIM)).astype("float32")


def numpy_forward(weight, shift, bias, z):
    """Rezende and Mohamed's map in float64."""
    weight, shift, bias, z = (x.astype("float64") for x in (weight, shift, bias, z))
    product = (weight * shift).sum(-1, keepdims=True)
    wanted = -1.0 + np.logaddexp(0.0, product)
    norm = (weight**2).sum(-1, keepdims=True)
    shift = shift + (wanted - product) * weight / norm
    return z + shift * np.tanh((weight * z).sum(-1) + bias)[..., None]


def test_forward(parameters, z):
    found = Planar(*parameters).forward(z)
    np.testing.assert_allclose(found, numpy_forward(*parameters, z), rtol=1e-4)


def test_log_determinant_is_that_of_the_jacobian(parameters, z):
    planar = Planar(*parameters)
    variable = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        moved = planar.forward(variable)
    jacobians = tape.batch_jacobian(moved, variable).numpy().astype("float64")
    sign, expected = np.linalg.slogdet(jacobians)
    assert (sign == 1.0).all()
    found = planar.forward_log_det_jacobian(z, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_inverse(parameters, rng):
    # Another object each time: a bijector remembers what it mapped.
    z = rng.normal(size=(50, ROWS, DIM)).astype("float32")
    # At the centre of each, where the slope is least.
    weight, _, bias = parameters
    z[0] = -weight * (bias / (weight**2).sum(-1))[:, None]
    y = Planar(*parameters).forward(z).numpy()
    found = Planar(*parameters).inverse(y).numpy()
    # Rounding of y is magnified by at most one over the slope.
    slope = np.log1p(np.exp(PRODUCTS))
    size = 1.0 + np.abs(z).max()
    assert (np.abs(found - z).max((0, 2)) < 1e-6 * size / np.minimum(slope, 1)).all()
    again = Planar(*parameters).forward(found)
    np.testing.assert_allclose(again, y, atol=1e-5)


def test_inverse_far_out_and_at_the_limit(rng):
    parameters = make_parameters(rng, np.array([-40.0, 50.0]))
    y = rng.normal(size=(20, 2, DIM)).astype("float32") * 30
    z = Planar(*parameters).inverse(y)
    assert np.isfinite(z).all()
    found = Planar(*parameters).forward(tf.identity(z))
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=2e-3)


def test_inverse_has_the_gradient_of_the_implicit_function(parameters, z, rng):
    direction = rng.normal(size=z.shape).astype("float32")
    variables = [tf.constant(each) for each in (*parameters, z)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        inverted = Planar(*variables[:3]).inverse(variables[3])
        # The identity map of z, whatever the parameters.
        again = Planar(*variables[:3]).forward(tf.identity(inverted))
        total = tf.reduce_sum(direction * again)
    *of_parameters, of_z = tape.gradient(total, variables)
    np.testing.assert_allclose(of_z, direction, atol=2e-3)
    for gradient in of_parameters:
        np.testing.assert_allclose(gradient, 0.0, atol=2e-3)


def test_a_vanishing_weight_does_no_harm(z):
    def make():
        return Planar(tf.zeros([DIM]), tf.ones([DIM]), 0.5)

    moved = make().forward(z)
    np.testing.assert_allclose(moved, z + np.tanh(0.5), rtol=1e-6)
    np.testing.assert_allclose(make().inverse(moved.numpy()), z, atol=1e-6)
    assert (make().forward_log_det_jacobian(z, 1).numpy() == 0.0).all()


def two_dimensional(rng):
    """A normal of one row through two flows, one of them nearly flat."""
    flows = [make_parameters(rng, np.array([product]), 2) for product in (2.0, -3.0)]
    loc, scale = tf.constant([[0.5, -0.3]]), tf.constant([[0.8, 0.6]])
    return FlowedNormal(loc, scale, [Planar(*flow) for flow in flows])


def test_density_integrates_to_one(rng):
    # One over the least slope is 20, so the density has a sharp ridge.
    edges = np.linspace(-8.0, 8.0, 800)
    grid = np.stack(np.meshgrid(edges, edges), axis=-1).astype("float32")
    density = np.exp(two_dimensional(rng).log_prob(grid.reshape(-1, 1, 2)))
    assert density.sum() * (edges[1] - edges[0]) ** 2 == pytest.approx(1.0, abs=5e-3)


def test_samples_with_their_density(rng):
    flowed = two_dimensional(rng)
    z, log_prob = flowed.experimental_sample_and_log_prob(50, seed=as_seed(0))
    assert z.shape == (50, 1, 2)
    found = flowed.log_prob(z.numpy())
    np.testing.assert_allclose(found, log_prob, rtol=1e-3, atol=1e-3)
    again = flowed.sample(50, seed=as_seed(0))
    np.testing.assert_array_equal(again, z)


def test_serves_transformed_distributions(parameters, z):
    base = tfd.MultivariateNormalDiag(tf.zeros([ROWS, DIM]), tf.ones([ROWS, DIM]))
    transformed = tfd.TransformedDistribution(base, Planar(*parameters))
    assert transformed.batch_shape == (ROWS,)
    flowed = FlowedNormal(
        tf.zeros([ROWS, DIM]), tf.ones([ROWS, DIM]), [Planar(*parameters)]
    )
    found = flowed.log_prob(z)
    np.testing.assert_allclose(found, transformed.log_prob(z), rtol=1e-4)


def test_xla_inverts_alike(parameters, rng):
    @tf.function(jit_compile=True)
    def invert(weight, shift, bias, y):
        with tf.GradientTape() as tape:
            tape.watch(weight)
            planar = Planar(weight, shift, bias)
            logs = planar.inverse_log_det_jacobian(y, 1)
        return planar.inverse(y), logs, tape.gradient(logs, weight)

    moderate = [each[:3] for each in parameters]
    y = rng.normal(size=(5, 3, DIM)).astype("float32")
    arguments = [tf.constant(each) for each in (*moderate, y)]
    found, expected = invert(*arguments), invert.python_function(*arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
