import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, forward_record, make_decoder, make_vae
from tfvae.distributions.sampling import sample
from tfvae.latents import Deterministic, StandardNormal
from tfvae.models import LanguageModel
from tfvae.objectives import MMD, Reconstruction, UnitVarianceKL
from tfvae.seeds import as_seed, fold_in

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def record(z, seed=0):
    prior = StandardNormal(z.shape[-1])
    z = tf.convert_to_tensor(z, tf.float32)
    params = {"loc": tf.zeros(tf.shape(z)[1:])}
    return forward_record(z=z, prior=prior.distribution(params), seed=as_seed(seed))


def test_mean_over_samples_of_the_batchs_estimate(rng):
    forward = record(rng.normal(size=(3, 5, 2)))
    fresh = sample(forward.prior, 3, fold_in(forward.seed, 101)).numpy()

    def kernel(x, y):
        # C is 4 * Z * scale.
        distance = float(((x - y) ** 2).sum())
        return sum(8.0 * s / (8.0 * s + distance) for s in SCALES)

    def mean(pairs):
        return np.mean([kernel(x, y) for x, y in pairs])

    each = []
    for x, y in zip(forward.z.numpy(), fresh, strict=True):
        within = mean(itertools.permutations(x, 2)) + mean(itertools.permutations(y, 2))
        each.append(within - 2.0 * mean(itertools.product(x, y)))
    found = MMD(base=4.0).cost(forward).numpy()
    np.testing.assert_allclose(found, np.full(5, np.mean(each)), rtol=1e-4)


@pytest.mark.parametrize("kernel", ["inverse_multiquadratic", "rbf"])
def test_zero_for_the_prior_and_positive_for_a_shift(rng, kernel):
    term = MMD(kernel=kernel)
    codes = rng.normal(size=(80, 1, 8, 2))
    equal = [float(term.cost(record(z, i))[0]) for i, z in enumerate(codes)]
    shifted = [float(term.cost(record(z + 1.0, i))[0]) for i, z in enumerate(codes)]
    assert abs(np.mean(equal)) < 4 * np.std(equal) / len(codes) ** 0.5
    assert np.mean(shifted) > 4 * np.std(shifted) / len(codes) ** 0.5


def test_one_sentence_is_finite(rng):
    assert np.isfinite(MMD().cost(record(rng.normal(size=(2, 1, 3))))).all()


def test_a_model_trains(dataset, tmp_path):
    objective = [Reconstruction(), MMD(10.0)]
    model = make_vae(posterior=Deterministic(2), objective=objective)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    logs = model.fit(dataset, epochs=3, shuffle=False, verbose=0).history
    assert np.isfinite(logs["mmd"]).all()
    assert logs["loss"][-1] == pytest.approx(
        logs["reconstruction"][-1] + 10.0 * logs["mmd"][-1], rel=1e-4
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    assert loaded.objective[1].scales == SCALES


def test_gradients_with_xla_at_sizes_that_data_decides(rng):
    term = MMD()

    def run(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            forward = record(z)
            cost = term.cost(forward)
        return tape.gradient(cost, z)

    z = tf.constant(rng.normal(size=(2, 5, 3)), tf.float32)
    spec = tf.TensorSpec([None, None, 3])
    compiled = tf.function(run, input_signature=[spec], jit_compile=True)
    np.testing.assert_allclose(compiled(z), run(z), rtol=1e-3, atol=1e-6)


def test_beside_the_spread_of_the_posterior(inputs):
    model = make_vae(objective=[Reconstruction(), MMD(), UnitVarianceKL(0.1)])
    _, costs, _ = model.loss_and_costs(model.forward(inputs), None)
    assert set(costs) == {"reconstruction", "mmd", "kl_to_unit_variance"}


def test_errors():
    with pytest.raises(ValueError, match="`kernel` must be one of.*'cosine'"):
        MMD(kernel="cosine")
    with pytest.raises(ValueError, match="must be positive.*base=0"):
        MMD(base=0)
    with pytest.raises(ValueError, match="`MMD` reads latent codes.*VAE"):
        LanguageModel(make_decoder(conditioning=()), objective=[MMD()])
