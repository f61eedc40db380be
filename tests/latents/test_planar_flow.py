import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import assert_same_weights, dataset, make_vae
from tfvae.evaluation.evaluate import evaluate
from tfvae.latents import Gaussian, PlanarFlow
from tfvae.objectives.kl import kl_method
from tfvae.seeds import as_seed

CODE_DIM, LATENT_DIM, ROWS, FLOWS = 4, 2, 5, 3

either = pytest.mark.parametrize("conditional", [False, True])


def built(code_dim=CODE_DIM, **options):
    latent = PlanarFlow(LATENT_DIM, FLOWS, **options)
    latent.build(code_dim=code_dim)
    return latent


def flow_parameters(latent, params, row):
    """Returns weight, shift and bias of each flow of a row, float64."""
    names = ("flow_weight", "flow_shift", "flow_bias")
    if latent.conditional:
        values = [params[name].numpy()[row] for name in names]
    else:
        values = [latent.flows[name].numpy() for name in names]
    return zip(*(value.astype("float64") for value in values), strict=True)


def numpy_flow(z, flows):
    """Returns a code `[Z]` after the flows and the sum of log-determinants."""
    log_determinant = 0.0
    for weight, shift, bias in flows:
        product = weight @ shift
        wanted = np.log1p(np.exp(product)) - 1.0
        shift = shift + (wanted - product) * weight / (weight @ weight)
        tanh = np.tanh(weight @ z + bias[0])
        jacobian = np.eye(len(z)) + np.outer(shift, weight) * (1.0 - tanh**2)
        log_determinant += np.log(abs(np.linalg.det(jacobian)))
        z = z + shift * tanh
    return z, log_determinant


@pytest.fixture
def code(rng):
    return rng.normal(size=(ROWS, CODE_DIM)).astype("float32")


@either
def test_sample_and_density(code, conditional):
    latent = built(conditional=conditional)
    params = latent(code)
    base = Gaussian(LATENT_DIM).distribution(params)
    z, log_q = latent.sample(params, 2, as_seed(0))
    assert z.shape == (2, ROWS, LATENT_DIM)
    # The same numbers before the flows.
    starts, log_base = latent.base.sample(params, 2, as_seed(0))
    np.testing.assert_allclose(log_base, base.log_prob(starts), rtol=1e-5)
    for row in range(ROWS):
        for sample in range(2):
            flows = flow_parameters(latent, params, row)
            start = starts[sample, row].numpy().astype("float64")
            moved, log_determinant = numpy_flow(start, flows)
            np.testing.assert_allclose(z[sample, row], moved, rtol=1e-3, atol=1e-4)
            expected = log_base[sample, row] - log_determinant
            np.testing.assert_allclose(log_q[sample, row], expected, rtol=1e-3)


@either
def test_density_at_codes_from_elsewhere(code, conditional):
    latent = built(conditional=conditional)
    params = latent(code)
    z, log_q = latent.sample(params, 3, as_seed(0))
    found = latent.distribution(params).log_prob(z.numpy())
    np.testing.assert_allclose(found, log_q, rtol=1e-3, atol=1e-3)
    # Each code under each row's posterior, as mutual information asks for it.
    pairs = np.repeat(z.numpy().reshape(-1, 1, LATENT_DIM), ROWS, axis=1)
    found = latent.distribution(params).log_prob(pairs).numpy()
    assert found.shape == (3 * ROWS, ROWS)
    own = found.reshape(3, ROWS, ROWS)[:, np.arange(ROWS), np.arange(ROWS)]
    np.testing.assert_allclose(own, log_q, rtol=1e-3, atol=1e-3)


def test_gradient_of_the_density_reaches_the_flows(code):
    latent = built(conditional=True)
    with tf.GradientTape() as tape:
        log_prob = latent.distribution(latent(code)).log_prob(tf.ones([ROWS, 2]))
    for gradient in tape.gradient(log_prob, latent.trainable_variables):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0.0


@either
def test_the_mode_is_the_flow_of_the_mean(code, conditional):
    latent = built(conditional=conditional)
    params = latent(code)
    for row, found in enumerate(latent.mode(params).numpy()):
        mean = params["loc"][row].numpy().astype("float64")
        expected = numpy_flow(mean, flow_parameters(latent, params, row))[0]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_shared_flows_are_weights_and_start_small(code):
    latent = built()
    assert set(latent(code)) == {"loc", "log_variance"}
    shapes = {name: tuple(weight.shape) for name, weight in latent.flows.items()}
    assert shapes["flow_weight"] == shapes["flow_shift"] == (FLOWS, LATENT_DIM)
    values = np.concatenate([w.numpy().ravel() for w in latent.flows.values()])
    assert np.abs(values).max() <= 0.01
    assert stats.kstest(values, stats.uniform(-0.01, 0.02).cdf).pvalue > 6.3e-5
    # Drawn apart.
    assert len(set(values.tolist())) == len(values)


def test_batch_normalisation_is_of_the_gaussian(code):
    latent = built(batch_normalization=True)
    params = latent(code, training=True)
    np.testing.assert_allclose(params["loc"].numpy().mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(params["loc"].numpy().std(0), 1.0, rtol=1e-2)


@pytest.mark.parametrize(
    "prior", [Gaussian(2), Gaussian(2, covariance="full"), PlanarFlow(2)]
)
def test_divergence_is_sampled_from_every_prior(code, prior):
    prior.build(code_dim=0)
    of_prior = prior.distribution(prior(tf.zeros([ROWS, 0])))
    posterior = built().distribution(built()(code))
    assert kl_method(posterior, of_prior) == "monte_carlo"


@pytest.mark.slow
def test_trains_saves_loads_and_is_evaluated(tokens, tmp_path):
    posterior, prior = PlanarFlow(2, 2, conditional=True), PlanarFlow(2)
    model = make_vae(posterior=posterior, prior=prior)
    before = posterior.get_weights() + prior.get_weights()
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(dataset(tokens), epochs=2, shuffle=False, verbose=0)
    after = posterior.get_weights() + prior.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    found = evaluate(loaded, dataset(tokens), num_samples=3, jit_compile=False)
    assert found["kl_method"] == "monte_carlo"
    assert {"nll", "mi", "mi_loo", "active_units"} < set(found)
    numbers = [v for v in found.values() if isinstance(v, int | float)]
    assert np.isfinite(numbers).all()


def test_errors():
    with pytest.raises(ValueError, match="`num_flows` must be positive.*num_flows=0"):
        PlanarFlow(2, num_flows=0)
    with pytest.raises(ValueError, match="`latent_dim` must be positive"):
        PlanarFlow(0)
