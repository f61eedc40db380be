import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import assert_same_weights, dataset, forward_record, make_vae
from tfvae.evaluation.evaluate import evaluate
from tfvae.latents import Gaussian, GaussianCopula, StandardNormal
from tfvae.objectives import KL
from tfvae.objectives.kl import kl_method
from tfvae.seeds import as_seed

CODE_DIM, LATENT_DIM, ROWS = 4, 3, 5


def built(code_dim=CODE_DIM, **options):
    latent = GaussianCopula(LATENT_DIM, **options)
    latent.build(code_dim=code_dim)
    return latent


def mean_and_covariance(params, activation=lambda x: np.logaddexp(0.0, x), floor=0.5):
    """Computes `D R D` by NumPy, the marginals' scales around the correlations."""
    params = {name: value.numpy().astype("float64") for name, value in params.items()}
    covariances = []
    for row in range(len(params["loc"])):
        factor = np.tanh(params["factor"][row])
        diagonal = activation(params["diagonal"][row]) + floor
        matrix = np.diag(np.broadcast_to(diagonal, LATENT_DIM))
        matrix = matrix + np.outer(factor, factor)
        scale = np.exp(params["log_variance"][row] / 2) / np.sqrt(np.diag(matrix))
        covariances.append(matrix * np.outer(scale, scale))
    return params["loc"], np.stack(covariances)


@pytest.fixture
def code(rng):
    return rng.normal(size=(ROWS, CODE_DIM)).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_dimension": True, "floor": 0.1},
        {"activation": "relu", "batch_normalization": True},
    ],
    ids=["default", "by_dimension", "as_released"],
)
def test_density(code, rng, options):
    latent = built(**options)
    params = latent(3.0 * code, training=True)
    width = LATENT_DIM if options.get("per_dimension") else 1
    assert params["diagonal"].shape == (ROWS, width)
    activation = {"floor": options.get("floor", 0.5)}
    if options.get("activation") == "relu":
        activation["activation"] = lambda x: np.maximum(x, 0.0)
    locs, covariances = mean_and_covariance(params, **activation)
    distribution = latent.distribution(params)
    variances = np.exp(params["log_variance"])
    np.testing.assert_allclose(distribution.variance(), variances, rtol=1e-4)
    z = locs + rng.normal(size=locs.shape)
    expected = [
        stats.multivariate_normal(loc, matrix).logpdf(point)
        for loc, matrix, point in zip(locs, covariances, z, strict=True)
    ]
    found = distribution.log_prob(z.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_samples_have_the_mean_and_covariance(code):
    latent = built()
    params = latent(code[:1])
    num = 20000
    z = latent.sample(params, num, as_seed(0))[0].numpy()[:, 0]
    (loc,), (matrix,) = mean_and_covariance(params)
    variance = np.diag(matrix)
    assert (abs(z.mean(0) - loc) < 4 * np.sqrt(variance / num)).all()
    error = np.sqrt((np.outer(variance, variance) + matrix**2) / num)
    assert (abs(np.cov(z.T) - matrix) < 4 * error).all()


def test_log_q_is_the_density_of_the_sample(code):
    latent = built()
    params = latent(code)
    z, log_q = latent.sample(params, 7, as_seed(0))
    assert z.shape == (7, ROWS, LATENT_DIM)
    expected = latent.distribution(params).log_prob(z)
    np.testing.assert_allclose(log_q, expected, rtol=1e-4, atol=1e-5)
    assert latent.mode(params) is params["loc"]


def copula_prior(latent_dim):
    return GaussianCopula(latent_dim, standard_marginals=True)


@pytest.mark.parametrize(
    "prior", [StandardNormal, GaussianCopula, copula_prior, Gaussian]
)
def test_divergence_in_closed_form(code, prior):
    latent, prior = built(), prior(LATENT_DIM)
    prior.build(code_dim=0)
    params, of_prior = latent(code), prior(tf.zeros([ROWS, 0]))
    if isinstance(prior, GaussianCopula):
        means, matrices = mean_and_covariance(of_prior)
    else:
        distribution = prior.distribution(of_prior)
        means = distribution.mean().numpy()
        matrices = [np.diag(row) for row in distribution.variance().numpy()]
    record = forward_record(
        posterior=latent.distribution(params), prior=prior.distribution(of_prior)
    )
    assert kl_method(record.posterior, record.prior) == "closed_form"
    expected = []
    for loc, matrix, mean, other in zip(
        *mean_and_covariance(params), means, matrices, strict=True
    ):
        inverse = np.linalg.inv(other)
        log_ratio = np.linalg.slogdet(other)[1] - np.linalg.slogdet(matrix)[1]
        square = (mean - loc) @ inverse @ (mean - loc)
        trace = np.trace(inverse @ matrix)
        expected.append(0.5 * (trace + square - LATENT_DIM + log_ratio))
    np.testing.assert_allclose(KL().cost(record), expected, rtol=1e-3)


@pytest.mark.parametrize("code_dim", [0, CODE_DIM])
def test_standard_marginals(code, rng, code_dim):
    latent = built(code_dim, standard_marginals=True, per_dimension=True)
    code = code[:, :code_dim]
    params = latent(code)
    _, matrices = mean_and_covariance(params)
    assert abs(matrices[0] - np.eye(LATENT_DIM)).max() > 0.01
    np.testing.assert_allclose(np.diag(matrices[0]), np.ones(LATENT_DIM), rtol=1e-6)
    z = rng.normal(size=(ROWS, LATENT_DIM)).astype("float32")
    expected = [
        stats.multivariate_normal(np.zeros(LATENT_DIM), matrix).logpdf(point)
        for matrix, point in zip(matrices, z, strict=True)
    ]
    found = latent.distribution(params).log_prob(z)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    samples, _ = latent.sample(params, 4000, as_seed(0))
    for column in samples.numpy()[:, 0].T:
        assert stats.kstest(column, "norm").pvalue > 6.3e-5
    # The copula's two heads alone.
    assert len(latent.trainable_variables) == (2 if code_dim == 0 else 4)


def test_float32_under_mixed_precision(code):
    latent = built(dtype="mixed_bfloat16")
    params = latent(code)
    assert {value.dtype for value in params.values()} == {tf.float32}
    assert latent.sample(params, 1, as_seed(0))[0].dtype == tf.float32


def test_trains_saves_loads_and_is_evaluated(tokens, tmp_path):
    model = make_vae(posterior=GaussianCopula(2), prior=GaussianCopula(2))
    before = model.posterior.get_weights() + model.prior.get_weights()
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    model.fit(dataset(tokens), epochs=2, shuffle=False, verbose=0)
    after = model.posterior.get_weights() + model.prior.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    found = evaluate(loaded, dataset(tokens), num_samples=3, jit_compile=False)
    assert found["kl_method"] == "closed_form"
    numbers = [v for v in found.values() if isinstance(v, int | float)]
    assert np.isfinite(numbers).all()


def test_errors():
    with pytest.raises(ValueError, match="`floor` must be positive.*floor=0.0"):
        GaussianCopula(2, floor=0.0)
    with pytest.raises(ValueError, match="'softplus', 'relu'.*activation='exp'"):
        GaussianCopula(2, activation="exp")
    with pytest.raises(ValueError, match="`latent_dim` must be positive"):
        GaussianCopula(0)
    with pytest.raises(ValueError, match="`batch_normalization` needs.*width 0"):
        built(0, batch_normalization=True)
