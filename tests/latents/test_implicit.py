import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import assert_same_weights, make_vae
from tfvae.latents import Deterministic, Implicit
from tfvae.objectives import KL, MMD, Reconstruction
from tfvae.seeds import as_seed, normal


@pytest.fixture
def latent():
    part = Deterministic(3)
    part.build(code_dim=4)
    return part


def test_every_sample_is_the_affine_code(latent, rng):
    code = rng.normal(size=(5, 4)).astype("float32")
    kernel, bias = latent.head.get_weights()
    expected = code @ kernel + bias
    params = latent(code)
    z, log_q = latent.sample(params, 2, as_seed(0))
    assert log_q is None
    assert z.shape == (2, 5, 3)
    for values in (*z, latent.mode(params), latent.distribution(params).sample()):
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_has_no_density(latent):
    assert not latent.has_density
    assert latent.support == "real"


def test_a_point_batch_normalised(rng):
    part = Deterministic(3, batch_normalization=True)
    part.build(code_dim=4)
    code = rng.normal(size=(5, 4)).astype("float32")
    kernel, bias = part.head.get_weights()
    raw = code @ kernel + bias
    # Moving mean 0 and variance 1 at the start.
    np.testing.assert_allclose(
        part.mode(part(code)), raw / np.sqrt(1.0 + 1e-5), rtol=1e-4, atol=1e-6
    )
    expected = (raw - raw.mean(0)) / np.sqrt(raw.var(0) + 1e-5)
    found = part.mode(part(code, training=True))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def built(*args, code_dim=4, **options):
    latent = Implicit(*args, **options)
    latent.build(code_dim=code_dim)
    return latent


def test_the_network_by_hand(rng):
    latent = built(2, 3, (5, 6))
    code = rng.normal(size=(4, 4)).astype("float32")
    noise = normal([2, 4, 3], as_seed(1)).numpy()
    z, log_q = latent.sample(latent(code), 2, as_seed(1))
    of_code, bias = latent.of_code.get_weights()
    of_noise = latent.of_noise.get_weights()[0]
    inputs = np.concatenate([np.broadcast_to(code, (2, 4, 4)), noise], -1)
    hidden = inputs @ np.concatenate([of_code, of_noise]) + bias
    first, first_bias, last, last_bias = latent.rest.get_weights()
    hidden = np.maximum(np.maximum(hidden, 0) @ first + first_bias, 0)
    np.testing.assert_allclose(z, hidden @ last + last_bias, rtol=1e-4, atol=1e-6)
    assert log_q is None
    assert not latent.has_density
    # PyTorch's initial weights of one layer of seven inputs.
    assert abs(of_noise).max() < 7**-0.5 < abs(of_noise).max() * 1.2


def test_the_mode_is_at_zero_noise(rng):
    latent = built(2, hidden_dims=(5,))
    params = latent(rng.normal(size=(3, 4)).astype("float32"))
    point = latent.mode(params)
    for variable in latent.of_noise.weights:
        variable.assign(tf.zeros_like(variable.value))
    np.testing.assert_allclose(latent.sample(params, 1, as_seed(0))[0][0], point)


def test_a_linear_network_is_a_gaussian(rng):
    latent = built(2, 3)
    params = latent(rng.normal(size=(3, 4)).astype("float32"))
    gaussian = latent.gaussian(params)
    kernel = latent.of_noise.get_weights()[0]
    covariance = kernel.T @ kernel
    z = rng.normal(size=(3, 2)).astype("float32")
    mean = latent.mode(params).numpy()
    expected = [
        stats.multivariate_normal(mean[i], covariance).logpdf(z[i]) for i in range(3)
    ]
    np.testing.assert_allclose(gaussian.log_prob(z), expected, rtol=1e-4)
    num = 20000
    drawn = latent.sample(params, num, as_seed(0))[0].numpy()[:, 0]
    deviation = np.diag(covariance) ** 0.5
    assert (abs(drawn.mean(0) - mean[0]) < 4 * deviation / num**0.5).all()
    spread = np.outer(deviation, deviation) ** 2 + covariance**2
    assert (abs(np.cov(drawn.T) - covariance) < 4 * (spread / num) ** 0.5).all()


def test_the_distribution_is_sampled_only(rng):
    latent = built(2, hidden_dims=(5,))
    params = latent(rng.normal(size=(3, 4)).astype("float32"))
    distribution = latent.distribution(params)
    z = distribution.sample(2, seed=as_seed(0))
    np.testing.assert_array_equal(z, latent.sample(params, 2, as_seed(0))[0])
    assert distribution.batch_shape == [3]
    assert distribution.event_shape == [2]
    with pytest.raises(NotImplementedError, match="log_prob is not implemented"):
        distribution.log_prob(z)


def test_a_model_trains(dataset, tmp_path):
    model = make_vae(posterior=Implicit(2), objective=[Reconstruction(), MMD()])
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    logs = model.fit(dataset, epochs=4, shuffle=False, verbose=0).history
    assert logs["reconstruction"][-1] < logs["reconstruction"][0]
    assert "nelbo" not in logs
    assert model.monitor == "val_loss"
    model.save(tmp_path / "model.keras")
    assert_same_weights(model, keras.models.load_model(tmp_path / "model.keras"))


def test_an_implicit_prior(inputs):
    model = make_vae(
        posterior=Implicit(2, 3),
        prior=Implicit(2, hidden_dims=(4,)),
        objective=[Reconstruction(), MMD()],
    )
    _, costs, _ = model.loss_and_costs(model.forward(inputs), None)
    assert np.isfinite(costs["mmd"]).all()
    assert model.generate_ids(3, max_length=4).shape == (3, 4)


def test_errors():
    with pytest.raises(ValueError, match="`noise_dim` must be positive.*=0"):
        Implicit(2, 0)
    with pytest.raises(ValueError, match="`hidden_dims` must hold positive.*0"):
        Implicit(2, hidden_dims=(3, 0))
    with pytest.raises(ValueError, match="`gaussian` needs.*noise_dim=1"):
        built(2, 1).gaussian({"projected": tf.zeros([1, 2])})
    with pytest.raises(ValueError, match="`gaussian` needs.*hidden_dims=\\(3,\\)"):
        built(2, hidden_dims=(3,)).gaussian({"projected": tf.zeros([1, 3])})
    with pytest.raises(ValueError, match="needs a posterior with a density"):
        make_vae(posterior=Implicit(2), objective=[Reconstruction(), KL()])
