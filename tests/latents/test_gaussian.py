import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfvae.latents import Gaussian, StandardNormal
from tfvae.seeds import as_seed

CODE_DIM, LATENT_DIM = 4, 3


def built(code_dim=CODE_DIM, latent_dim=LATENT_DIM, **options):
    latent = Gaussian(latent_dim, **options)
    latent.build(code_dim=code_dim)
    return latent


def mean_and_covariance(latent, code):
    """Computes them from the heads' weights by NumPy."""

    def head(name):
        kernel, bias = latent.heads[name].get_weights()
        return code @ kernel + bias

    scale = np.exp(0.5 * head("log_variance"))
    factor = np.stack([np.diag(row) for row in scale])
    if latent.covariance == "full":
        # The fill order is a matter of parametrisation; take the factor's own.
        below = latent.distribution(latent(code)).scale_tril.numpy()
        factor += np.tril(below, -1)
    return head("loc"), factor @ factor.transpose(0, 2, 1)


@pytest.fixture
def code(rng):
    return rng.normal(size=(5, CODE_DIM)).astype("float32")


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_density(code, rng, covariance):
    latent = built(covariance=covariance)
    locs, covariances = mean_and_covariance(latent, code)
    z = rng.normal(size=(5, LATENT_DIM)).astype("float32")
    found = latent.distribution(latent(code)).log_prob(z)
    expected = [
        stats.multivariate_normal(loc, matrix).logpdf(point)
        for loc, matrix, point in zip(locs, covariances, z, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_full_covariance_uses_every_entry_of_the_third_head():
    latent = built(covariance="full")
    params = {
        "loc": tf.zeros([1, 3]),
        "log_variance": tf.math.log([[1.0, 4.0, 9.0]]),
        "lower": tf.constant([[10.0, 20.0, 30.0]]),
    }
    factor = latent.distribution(params).scale_tril.numpy()[0]
    np.testing.assert_allclose(np.diag(factor), [1.0, 2.0, 3.0], rtol=1e-6)
    assert (np.triu(factor, 1) == 0.0).all()
    assert sorted(factor[np.tril_indices(3, -1)].tolist()) == [10.0, 20.0, 30.0]


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_samples_have_the_mean_and_covariance(code, covariance):
    latent = built(covariance=covariance)
    num = 20000
    z, _ = latent.sample(latent(code[:1]), num, as_seed(0))
    z = z.numpy()[:, 0]
    (loc,), (matrix,) = mean_and_covariance(latent, code[:1])
    variance = np.diag(matrix)
    assert (abs(z.mean(0) - loc) < 4 * np.sqrt(variance / num)).all()
    # The variance of a sample covariance is (s_ii s_jj + s_ij ** 2) / n.
    error = np.sqrt((np.outer(variance, variance) + matrix**2) / num)
    assert (abs(np.cov(z.T) - matrix) < 4 * error).all()


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_log_q_is_the_density_of_the_sample(code, covariance):
    latent = built(covariance=covariance)
    params = latent(code)
    z, log_q = latent.sample(params, 7, as_seed(0))
    assert z.shape == (7, 5, LATENT_DIM)
    assert log_q.shape == (7, 5)
    locs, covariances = mean_and_covariance(latent, code)
    for row in range(5):
        density = stats.multivariate_normal(locs[row], covariances[row])
        expected = density.logpdf(z.numpy()[:, row])
        np.testing.assert_allclose(log_q[:, row], expected, rtol=1e-3, atol=1e-4)


def test_samples_carry_gradients_to_both_heads(code):
    latent = built()
    with tf.GradientTape() as tape:
        z, _ = latent.sample(latent(code), 2, as_seed(0))
        total = tf.reduce_sum(z**2)
    gradients = tape.gradient(total, latent.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_log_variance_is_clipped():
    latent = built(1, 2)
    latent.heads["log_variance"].kernel.assign([[100.0, -100.0]])
    params = latent(tf.ones([1, 1]))
    assert params["log_variance"].numpy().tolist() == [[20.0, -20.0]]
    stddev = latent.distribution(params).stddev()
    np.testing.assert_allclose(stddev, [[np.exp(10.0), np.exp(-10.0)]], rtol=1e-5)


def test_the_mode_is_the_mean(code):
    latent = built()
    kernel, bias = latent.heads["loc"].get_weights()
    found = latent.mode(latent(code))
    np.testing.assert_allclose(found, code @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_batch_normalisation_in_training_and_inference(code):
    latent = built(batch_normalization=True)
    raw = {}
    for name in ("loc", "log_variance"):
        kernel, bias = latent.heads[name].get_weights()
        raw[name] = code @ kernel + bias
    before = latent(code, training=False)
    for name, values in raw.items():
        # Moving mean 0 and variance 1 at the start.
        expected = values / np.sqrt(1.0 + 1e-5)
        np.testing.assert_allclose(before[name], expected, rtol=1e-4, atol=1e-6)
    training = latent(code, training=True)
    after = latent(code, training=False)
    for name, values in raw.items():
        mean, variance = values.mean(0), values.var(0)
        expected = (values - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(training[name], expected, rtol=1e-3, atol=1e-5)
        moving_mean, moving_variance = 0.1 * mean, 0.9 + 0.1 * variance
        expected = (values - moving_mean) / np.sqrt(moving_variance + 1e-5)
        np.testing.assert_allclose(after[name], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"initializer": "zeros"}])
@pytest.mark.parametrize("scale", [1.0, 0.1, 3.0])
def test_initial_scale_moves_the_bias_alone(scale, options):
    keras.utils.set_random_seed(5)
    plain = built(**options)
    keras.utils.set_random_seed(5)
    latent = built(initial_scale=scale, **options)
    for one, other in zip(plain.weights, latent.weights, strict=True):
        moved = other is latent.heads["log_variance"].bias
        expected = one.numpy() + (2.0 * np.log(scale) if moved else 0.0)
        np.testing.assert_allclose(other.numpy(), expected, rtol=1e-6)
        assert moved or (other.numpy() == one.numpy()).all()


def test_initial_scale_of_samples():
    # Heads of zeros leave the scale alone: 0.02 where a Gaussian starts at 1.
    latent = built(initializer="zeros", initial_scale=0.02)
    num = 20000
    z, _ = latent.sample(latent(tf.ones([1, CODE_DIM])), num, as_seed(0))
    error = 4 * 0.02 / np.sqrt(2 * num)
    assert (abs(z.numpy()[:, 0].std(0) - 0.02) < error).all()


def test_initial_scale_under_batch_normalisation(code):
    # Normalisation would take the head's bias away.
    latent = built(batch_normalization=True, initial_scale=0.1, use_bias=False)
    log_variance = latent(code, training=True)["log_variance"].numpy()
    np.testing.assert_allclose(log_variance.mean(0), 2 * np.log(0.1), rtol=1e-5)


def gaussian_kl(params):
    """Computes the divergence from N(0, I) by hand, `[B]`."""
    loc, log_variance = params["loc"].numpy(), params["log_variance"].numpy()
    return 0.5 * (loc**2 + np.exp(log_variance) - 1.0 - log_variance).sum(-1)


@pytest.mark.parametrize("shift", [0.0, 0.7])
@pytest.mark.parametrize("gamma", [0.3, 0.6])
def test_a_normalised_mean_bounds_the_divergence(code, gamma, shift):
    latent = built(normalized_mean_scale=gamma)
    latent.mean_shift.assign(np.full(LATENT_DIM, shift))
    bound = LATENT_DIM * (gamma**2 + shift**2) / 2
    # Where initial weights are, or training might push them.
    for size in (1e-4, 0.1, 1.0, 10.0):
        for name in ("loc", "log_variance"):
            kernel = np.random.default_rng(1).normal(size=(CODE_DIM, LATENT_DIM))
            latent.heads[name].kernel.assign(size * kernel)
        assert gaussian_kl(latent(code, training=True)).mean() >= bound * (1 - 1e-3)
    # It is reached where the variance is 1.
    latent.heads["log_variance"].kernel.assign(np.zeros((CODE_DIM, LATENT_DIM)))
    latent.heads["log_variance"].bias.assign(np.zeros(LATENT_DIM))
    found = gaussian_kl(latent(code, training=True)).mean()
    np.testing.assert_allclose(found, bound, rtol=1e-4)


def test_a_normalised_mean_in_training_and_inference(code):
    latent = built(normalized_mean_scale=0.6)
    latent.mean_shift.assign([1.0, 0.0, -2.0])
    raw = code @ latent.heads["loc"].kernel.numpy()
    variances = latent.heads["log_variance"](code)
    training = latent(code, training=True)
    mean, variance = raw.mean(0), raw.var(0)
    expected = 0.6 * (raw - mean) / np.sqrt(variance) + [1.0, 0.0, -2.0]
    np.testing.assert_allclose(training["loc"], expected, rtol=1e-3, atol=1e-5)
    moving_mean, moving_variance = 0.1 * mean, 0.9 + 0.1 * variance
    expected = 0.6 * (raw - moving_mean) / np.sqrt(moving_variance)
    found = latent(code)
    np.testing.assert_allclose(
        found["loc"], expected + [1.0, 0.0, -2.0], rtol=1e-3, atol=1e-5
    )
    for params in (training, found):
        np.testing.assert_allclose(params["log_variance"], variances, atol=1e-5)


def test_the_scale_of_a_normalised_mean_is_not_trained(code):
    latent = built(normalized_mean_scale=0.6)
    with tf.GradientTape() as tape:
        params = latent(code, training=True)
        total = tf.reduce_sum(params["loc"] ** 3) + tf.reduce_sum(
            params["log_variance"]
        )
    weights = latent.trainable_variables
    gradients = tape.gradient(total, [weight.value for weight in weights])
    by_name = {
        weight.path: np.abs(gradient).max()
        for weight, gradient in zip(weights, gradients, strict=True)
    }
    assert not any("gamma" in name or "scale" in name for name in by_name)
    assert len(by_name) == 4 and by_name[latent.mean_shift.path] > 0
    # The moving statistics.
    assert len(latent.non_trainable_variables) == 2


def test_one_dimension_has_no_lower_triangle(code):
    latent = built(latent_dim=1, covariance="full")
    z, log_q = latent.sample(latent(code), 2, as_seed(0))
    (loc,), (variance,) = (
        [latent.heads["loc"](code[:1]).numpy()[0]],
        [np.exp(latent.heads["log_variance"](code[:1]).numpy()[0])],
    )
    expected = stats.norm(loc, np.sqrt(variance)).logpdf(z.numpy()[0, 0])
    np.testing.assert_allclose(log_q[0, 0], expected[0], rtol=1e-4)


def test_an_unconditional_prior_is_its_biases():
    latent = built(code_dim=0, latent_dim=2)
    latent.heads["loc"].bias.assign([1.0, 2.0])
    params = latent(tf.zeros([3, 0]))
    assert latent.mode(params).numpy().tolist() == [[1.0, 2.0]] * 3


def test_without_bias(code):
    latent = built(use_bias=False)
    assert len(latent.trainable_variables) == 2
    assert (latent.mode(latent(0.0 * code)).numpy() == 0.0).all()


def test_float32_under_mixed_precision(code):
    latent = built(dtype="mixed_bfloat16")
    params = latent(code)
    assert {value.dtype for value in params.values()} == {tf.float32}


@pytest.fixture
def prior():
    latent = StandardNormal(3)
    latent.build(code_dim=0)
    return latent


def test_standard_density(prior, rng):
    z = rng.normal(size=(4, 3)).astype("float32")
    params = prior(tf.zeros([4, 0]))
    found = prior.distribution(params).log_prob(z)
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(z)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_standard_samples(prior):
    num = 20000
    z, log_q = prior.sample(prior(tf.zeros([1, 0])), num, as_seed(0))
    values = z.numpy()[:, 0]
    assert (abs(values.mean(0)) < 4 / num**0.5).all()
    assert (abs(values.var(0) - 1.0) < 4 * (2 / num) ** 0.5).all()
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(values)
    np.testing.assert_allclose(log_q[:, 0], expected, rtol=1e-4)


def test_the_standard_mode_is_the_origin_and_nothing_is_learned(prior):
    assert (prior.mode(prior(tf.ones([2, 5]))).numpy() == np.zeros((2, 3))).all()
    assert prior.weights == []
    assert prior.has_density


def test_errors():
    with pytest.raises(ValueError, match="'diagonal' or 'full'.*covariance='low'"):
        Gaussian(2, covariance="low")
    with pytest.raises(ValueError, match="`latent_dim` must be positive.*=0"):
        Gaussian(0)
    for scale in (0.0, -1.0, 1e-5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"`initial_scale` must be.*={scale}"):
            Gaussian(2, initial_scale=scale)
    with pytest.raises(ValueError, match="Use `use_bias=True`.*use_bias=False"):
        Gaussian(2, use_bias=False, initial_scale=0.1)
    for scale in (0.0, -0.5, float("inf")):
        with pytest.raises(ValueError, match="`normalized_mean_scale` must be positiv"):
            Gaussian(2, normalized_mean_scale=scale)
    with pytest.raises(ValueError, match="Use one of them.*batch_normalization=True"):
        Gaussian(2, batch_normalization=True, normalized_mean_scale=0.6)
    with pytest.raises(ValueError, match="vary with a code.*width 0"):
        Gaussian(2, normalized_mean_scale=0.6).build(code_dim=0)
