"""Refined posteriors, against closed forms and exact second derivatives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import linear_gaussian
from tests.support import batch, dataset, make_decoder, make_vae
from tfvae.latents import Deterministic
from tfvae.models import SVIRefiner
from tfvae.objectives import KL, Linear, Reconstruction
from tfvae.seeds import as_seed


@pytest.fixture
def toy(rng):
    """A cost with a weight, and parameters of five rows."""
    matrix = tf.Variable([[1.0, 0.4], [0.4, 2.0]])

    def cost(params, seed):
        first, second = params["first"], params["second"]
        of_row = tf.tanh(first @ matrix) ** 2 + 0.5 * first * second
        return tf.reduce_mean(tf.reduce_sum(of_row + tf.exp(0.3 * second), -1))

    params = {
        name: tf.constant(rng.normal(size=(5, 2)), tf.float32)
        for name in ("first", "second")
    }
    return matrix, cost, params


def unrolled(cost, params, clip_norm=None, num_steps=4, rate=0.2, momentum=0.5):
    """Refines by plain operations, which autodiff differentiates twice."""
    velocity = {name: tf.zeros_like(value) for name, value in params.items()}
    for _ in range(num_steps):
        with tf.GradientTape() as tape:
            tape.watch(params)
            total = 5.0 * cost(params, None)
        for name, slope in tape.gradient(total, params).items():
            if clip_norm is not None:
                norm = tf.norm(slope, axis=1, keepdims=True)
                slope *= tf.minimum(1.0, clip_norm / norm)
            velocity[name] = momentum * velocity[name] - slope
        params = {name: x + rate * velocity[name] for name, x in params.items()}
    return params


@pytest.mark.parametrize("in_graph", [False, True])
def test_gradients_against_exact_second_derivatives(toy, in_graph):
    matrix, cost, params = toy
    refiner = SVIRefiner(4, 0.2, 0.5, None)

    def refine(params):
        return refiner.refine(cost, params, as_seed(0))

    results = []
    for function in (
        lambda params: unrolled(cost, params),
        tf.function(refine, autograph=False) if in_graph else refine,
    ):
        with tf.GradientTape() as tape:
            tape.watch(params)
            refined = function(params)
            loss = tf.reduce_mean(tf.sin(refined["first"]) * refined["second"] ** 2)
        results.append((refined, tape.gradient(loss, [params, matrix])))
    (expected, slopes), (found, others) = results
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    for slope, other in zip(
        tf.nest.flatten(slopes), tf.nest.flatten(others), strict=True
    ):
        scale = np.abs(slope).max()
        np.testing.assert_allclose(other, slope, atol=1e-3 * scale)


def test_clipping_is_of_each_row_and_parameter(toy):
    _, cost, params = toy
    refiner = SVIRefiner(4, 0.2, 0.5, 0.3)
    found = refiner.refine(cost, params, as_seed(0))
    free = unrolled(cost, params)
    expected = unrolled(cost, params, clip_norm=0.3)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
        assert np.abs(free[name] - expected[name]).max() > 0.1


def test_first_order_gradients_pass_as_they_are(toy):
    matrix, cost, params = toy
    refiner = SVIRefiner(4, 0.2, 0.5, None, gradient="first_order")
    with tf.GradientTape() as tape:
        tape.watch(params)
        refined = refiner.refine(cost, params, as_seed(0))
        loss = tf.add_n([tf.reduce_sum(value**2) for value in refined.values()])
    slopes, of_matrix = tape.gradient(loss, [params, matrix])
    expected = unrolled(cost, params)
    assert of_matrix is None
    for name in params:
        np.testing.assert_allclose(refined[name], expected[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(slopes[name], 2 * refined[name], rtol=1e-5)


def test_reaches_the_best_diagonal_gaussian():
    # The best loc is the true mean; the best variance the inverse of the precision's
    # diagonal, where the gap to the likelihood has a closed form.
    tokens = linear_gaussian.random_tokens(4)
    inputs = {"tokens": tf.constant(tokens)}
    model = linear_gaussian.diagonal_vae(scale=0.8)
    model.posterior.heads["loc"].bias.assign_add([1.5, -1.0])
    gain, bias, covariance = linear_gaussian.true_posterior()
    features = linear_gaussian.features(tokens).numpy()
    best = 1.0 / np.diag(np.linalg.inv(covariance))
    gap = linear_gaussian.gaussian_kl(0 * bias, np.diag(best), 0 * bias, covariance)
    nll = -linear_gaussian.marginal().logpdf(features)

    def measured():
        # The exact bound's expectation, by many samples.
        record = model.forward(inputs, num_samples=4000, seed=3)
        return model.likelihood_metrics(record)["nelbo"], record.params

    start = measured()[0].numpy()
    model.refiner = SVIRefiner(5, 0.01, 0.5)
    after_few = measured()[0].numpy()
    model.refiner = SVIRefiner(300, 0.01, 0.5, None)
    refined, params = tf.function(measured, autograph=False)()
    refined = refined.numpy()
    assert (after_few < start - 0.3).all() and (refined < after_few).all()
    # Left is the noise of the last steps, and of the estimate.
    np.testing.assert_allclose(refined, nll + gap, atol=0.1)
    np.testing.assert_allclose(params["loc"], features @ gain.T + bias, atol=0.25)
    variances = np.exp(params["log_variance"])
    np.testing.assert_allclose(variances, np.tile(best, (4, 1)), rtol=0.5)


def test_the_weight_in_force(inputs):
    # With weight 0 the scale only shrinks; with the final weight it does not.
    objective = [Reconstruction(), KL(Linear(10, last=50.0))]
    model = make_vae(objective=objective, refiner=SVIRefiner(3))
    plain = model.posterior(model.encoder(inputs["tokens"]))["loc"].numpy()
    training = model.forward(inputs, training=True).params["loc"].numpy()
    testing = model.forward(inputs).params["loc"].numpy()
    norms = [np.square(each).sum() for each in (plain, training, testing)]
    assert norms[2] < 0.5 * norms[0] < norms[1]
    np.testing.assert_array_equal(model.posterior_params(inputs)["loc"], testing)


def test_refined_by_sentence_not_by_batch(inputs):
    model = make_vae(refiner=SVIRefiner(3), objective=[KL()])
    whole = model.forward(inputs).params["loc"]
    part = model.forward({"tokens": inputs["tokens"][:2]}).params["loc"]
    np.testing.assert_allclose(whole[:2], part, rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 7])
def test_a_sentence_has_one_posterior_outside_of_training(inputs, seed):
    model = make_vae(refiner=SVIRefiner(3, 0.3))
    for weight in model.trainable_weights:
        weight.assign(3.0 * weight)
    whole = model.posterior_params(inputs)["loc"].numpy()
    order = [3, 0, 4]
    wider = np.pad(np.array(inputs["tokens"])[order], [[0, 0], [0, 3]])
    part = model.forward({"tokens": wider}, seed=seed, num_samples=2).params["loc"]
    np.testing.assert_allclose(part, whole[order], rtol=1e-4, atol=1e-5)
    plain = model.posterior(model.encoder(inputs["tokens"]))["loc"].numpy()
    assert np.abs(whole - plain).max() > 0.1
    # In training every step has its own.
    first, second = (
        model.forward(inputs, seed=each, training=True).params["loc"] for each in (1, 2)
    )
    assert np.abs(first - second).max() > 1e-3


def test_trains_and_comes_back(tmp_path):
    model = make_vae(
        refiner=SVIRefiner(2, gradient="first_order"),
        decoder=make_decoder(output_dropout=0.1),
    )
    # In a graph it trains in the test of its preset.
    model.compile("adam", run_eagerly=True)
    rows = dataset(batch([5, 3, 1, 0]), 4)
    model.fit(rows, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.refiner.get_config() == model.refiner.get_config()
    loaded.run_eagerly = True
    for each in (model, loaded):
        each.found = each.fit(rows, verbose=0, shuffle=False).history["loss"]
    assert model.found == loaded.found


def test_every_weight_learns(inputs):
    model = make_vae(refiner=SVIRefiner(2))
    update, gradients = model.compute_gradients(
        inputs, as_seed(0), model.trainable_variables
    )
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SVIRefiner(0), "`num_steps` must be positive. Received: num_steps=0"),
        (lambda: SVIRefiner(clip_norm=0.0), "`clip_norm` must be positive"),
        (lambda: SVIRefiner(momentum=1.0), r"`momentum` must be in \[0, 1\)"),
        (lambda: SVIRefiner(gradient="exact"), "`gradient` must be one of.*'exact'"),
        (
            lambda: make_vae(
                posterior=Deterministic(2),
                objective=[Reconstruction()],
                refiner=SVIRefiner(),
            ),
            "needs a posterior and a prior with densities.*posterior=Deterministic",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
