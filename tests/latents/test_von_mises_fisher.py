import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, make_vae
from tfvae.distributions.von_mises_fisher import PolarAngle, log_sphere_area
from tfvae.latents import SphericalUniform, StandardNormal, VonMisesFisher
from tfvae.seeds import as_seed


def built(*args, **options):
    latent = VonMisesFisher(*args, **options)
    latent.build(code_dim=4)
    return latent


def test_parameters_by_hand(rng):
    latent = built(3, min_concentration=0.5)
    code = rng.normal(size=(5, 4)).astype("float32")
    heads = latent.heads
    kernel, bias = heads["direction"].get_weights()
    direction = code @ kernel + bias
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    kernel, bias = heads["raw_concentration"].get_weights()
    concentration = 0.5 + np.log1p(np.exp(code @ kernel + bias))[:, 0]
    params = latent(code)
    posterior = latent.distribution(params)
    np.testing.assert_allclose(latent.mode(params), direction, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(posterior.concentration, concentration, rtol=1e-5)
    z, log_q = latent.sample(params, 2, as_seed(0))
    np.testing.assert_allclose(log_q, posterior.log_prob(z), rtol=1e-5)
    assert latent.support == "sphere"


def test_bounds_of_the_concentration():
    latent = built(3, min_concentration=2.0, max_concentration=5.0)
    raw = tf.constant([[-100.0], [100.0]])
    params = {"direction": tf.ones([2, 3]), "raw_concentration": raw}
    found = latent.distribution(params).concentration.numpy().tolist()
    assert found == [2.0, 5.0]


def test_a_fixed_concentration_has_one_head():
    latent = built(3, 80.0)
    params = latent(tf.ones([2, 4]))
    assert set(params) == {"direction"}
    assert latent.distribution(params).concentration.numpy().tolist() == [80.0, 80.0]


def test_a_direction_is_defined_for_every_code():
    latent = built(3, 4.0)
    direction = tf.constant([[0.0, 0.0, 0.0], [0.0, 1e-10, 0.0], [3e30, 0.0, -4e30]])
    with tf.GradientTape() as tape:
        tape.watch(direction)
        point = latent.mode({"direction": direction})
    expected = [[1, 0, 0], [0, 1, 0], [0.6, 0, -0.8]]
    np.testing.assert_allclose(point, expected, rtol=1e-6, atol=1e-7)
    assert np.isfinite(tape.gradient(point, direction)).all()


def sphere_vae(**options):
    return make_vae(
        posterior=VonMisesFisher(4, **options), prior=SphericalUniform(4), num_samples=2
    )


@pytest.mark.slow
def test_a_model_trains_with_xla(dataset):
    model = sphere_vae()
    model.compile(keras.optimizers.Adam(0.02), jit_compile=True)
    logs = model.fit(dataset, epochs=12, shuffle=False, verbose=0).history
    assert logs["nelbo"][-1] < logs["nelbo"][0]


def test_a_model_goes_on_after_loading(inputs, tmp_path):
    model = sphere_vae()
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    model.train_step(inputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.train_step(inputs)
    assert_same_weights(model, loaded)


def test_the_divergence_in_a_model_is_the_closed_form(inputs):
    model = sphere_vae(concentration=20.0)
    forward = model.forward(inputs)
    found = model.likelihood_metrics(forward)["kl"].numpy()
    expected = float(PolarAngle(20.0, 4).kl_to_uniform())
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=1e-5)
    assert model.objective[1].method(model) == "closed_form"


def test_uniform_samples_and_density():
    prior = SphericalUniform(3)
    prior.build(code_dim=0)
    params = prior(tf.zeros([4, 0]))
    z, log_p = prior.sample(params, 2, as_seed(0))
    assert z.shape == (2, 4, 3)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(log_p, np.full((2, 4), -np.log(4 * np.pi)), rtol=1e-6)
    assert log_sphere_area(3) == pytest.approx(np.log(4 * np.pi))
    assert prior.support == "sphere"
    assert prior.weights == []


def test_the_uniform_mode_is_on_the_sphere():
    prior = SphericalUniform(3)
    prior.build(code_dim=0)
    assert prior.mode(prior(tf.zeros([2, 0]))).numpy().tolist() == [[1, 0, 0]] * 2


def test_errors():
    with pytest.raises(ValueError, match="`latent_dim` must be at least 2.*=1"):
        VonMisesFisher(1)
    with pytest.raises(ValueError, match="`latent_dim` must be at least 2.*=1"):
        SphericalUniform(1)
    for wrong in ("fixed", -1.0, 0.0):
        with pytest.raises(ValueError, match="`concentration` must be 'learned' or"):
            VonMisesFisher(2, wrong)
    with pytest.raises(ValueError, match="must be in \\[0, max_concentration\\).*=3"):
        VonMisesFisher(2, min_concentration=3.0, max_concentration=3.0)
    with pytest.raises(ValueError, match="need one support"):
        make_vae(posterior=VonMisesFisher(2), prior=StandardNormal(2))
