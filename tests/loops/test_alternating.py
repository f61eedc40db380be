"""`Alternating`: each term moves the model from where the one before has left it."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import batch, dataset, make_encoder, make_vae
from tfvae.latents import Deterministic, Pushforward, StandardNormal
from tfvae.loops import Alternating
from tfvae.objectives import Reconstruction, Term, Wasserstein
from tfvae.presets import SETTINGS, ModelBuilder, arae, ivae_transfer


@keras.saving.register_keras_serializable("tests")
class Norm(Term):
    """The squared norm of a code."""

    requires_latent = True

    def cost(self, forward):
        """Computes it `[B]`."""
        return tf.reduce_mean(tf.reduce_sum(forward.z**2, -1), 0)


def norm(weight):
    return Norm(weight, name="norm")


def by_hand(model, tokens, rate, bound):
    """Two steps of gradient descent, each bounded, in NumPy and by a tape of ours."""
    variables = model.trainable_variables

    def codes():
        return model.posterior(model.encoder(tokens))["loc"]

    def reconstruction():
        memory = model.memory(codes()[None], None)
        return -tf.reduce_mean(model.decoder.log_prob(tokens, memory))

    def penalty():
        return 3.0 * tf.reduce_mean(tf.reduce_sum(codes() ** 2, -1))

    for loss in (reconstruction, penalty):
        with tf.GradientTape() as tape:
            value = loss()
        found = tape.gradient(value, [v.value for v in variables])
        found = [None if g is None else tf.convert_to_tensor(g).numpy() for g in found]
        size = np.sqrt(sum((g**2).sum() for g in found if g is not None))
        scale = min(1.0, bound / size)
        for variable, gradient in zip(variables, found, strict=True):
            if gradient is not None:
                variable.assign(variable.numpy() - rate * scale * gradient)
    return [v.numpy() for v in variables]


# With 0.01 both gradients are bounded, with 100 none is.
@pytest.mark.parametrize("bound", [0.01, 100.0])
def test_each_term_takes_a_step_of_its_own(inputs, bound):
    found = []
    for loop in (Alternating(), None):
        keras.utils.set_random_seed(1)
        model = make_vae(
            posterior=Deterministic(2),
            objective=[Reconstruction(), norm(3.0)],
            loop=loop,
        )
        optimizer = keras.optimizers.SGD(0.1, global_clipnorm=bound)
        model.compile(optimizer, jit_compile=False, run_eagerly=True)
        start = [v.numpy() for v in model.trainable_variables]
        if loop is None:
            found.append(by_hand(model, inputs["tokens"], 0.1, bound))
            continue
        logs = loop.phases(model)["terms"](inputs)
        assert {"reconstruction", "norm", "norm_weight", "loss"} <= set(logs)
        assert int(model.step) == int(optimizer.iterations) == 1
        found.append([v.numpy() for v in model.trainable_variables])
        assert any((a != b).any() for a, b in zip(start, found[0], strict=True))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def adversarial(optimizer):
    keras.utils.set_random_seed(2)
    model = make_vae(
        posterior=Deterministic(2),
        prior=Pushforward(StandardNormal(2), 2, (4,)),
        objective=[
            Reconstruction(),
            norm(0.5),
            Wasserstein(2.0, hidden_dims=(4,), num_critic_steps=2),
        ],
        loop=Alternating(keras.optimizers.Adam(0.003, epsilon=1e-12)),
    )
    model.compile(optimizer, jit_compile=False, run_eagerly=True)
    return model


def test_the_prior_has_an_optimizer_of_its_own(inputs):
    model = adversarial(keras.optimizers.SGD(0.0))
    variables = model.trainable_variables
    before = [v.numpy() for v in variables]
    model.loop.phases(model)["terms"](inputs)
    of_prior = {id(v) for v in model.prior.trainable_variables}
    of_critic = {id(v) for v in model.critics[0].critic.trainable_variables}
    for variable, start in zip(variables, before, strict=True):
        step = np.abs(variable.numpy() - start)
        if id(variable) in of_prior:
            # Adam's first step is its learning rate, whatever the gradient.
            moved = step > 0
            assert moved.any()
            np.testing.assert_allclose(step[moved], 0.003, rtol=1e-3)
        elif id(variable) not in of_critic:
            assert not step.any()
    assert int(model.critics[0].critic_optimizer.iterations) == 2
    assert int(model.loop.prior_optimizer.iterations) == 1


def test_learning_rates_follow_that_of_the_model(inputs):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    model = adversarial(keras.optimizers.SGD(rate, global_clipnorm=0.01))
    rates = []
    for _ in range(3):
        model.loop.phases(model)["terms"](inputs)
        rates.append([float(o.learning_rate) for o in model.loop.term_optimizers])
    assert rates == [[0.5, 0.5], [0.5, 0.5], [0.25, 0.25]]


@pytest.mark.slow
def test_a_break_in_training_changes_nothing(tmp_path):
    rows = dataset(batch([5, 3, 1, 2, 4, 2]), 2)
    options = {"verbose": 0, "shuffle": False}
    whole, parts = (adversarial(keras.optimizers.Adam(0.01)) for _ in range(2))
    whole.fit(rows, epochs=2, **options)
    parts.fit(rows, epochs=1, **options)
    parts.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    loaded.fit(rows, epochs=2, initial_epoch=1, **options)
    assert int(loaded.step) == int(whole.step) == 6
    for one, other in zip(whole.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


@pytest.mark.parametrize("preset", [arae, ivae_transfer])
def test_presets_of_style_transfer_in_the_released_order(preset, inputs):
    sizes = dict.fromkeys(("embedding_dim", "encoder_dim", "decoder_dim"), 4)
    builder = ModelBuilder(
        dataclasses.replace(SETTINGS["style"], latent_dim=2, **sizes),
        vocabulary_size=12,
        steps_per_epoch=5,
        epochs=2,
        num_labels=2,
    )
    model = preset(builder, alternating=True, adversary_target="flipped")
    assert [type(term).__name__ for term in model.objective][:2] == [
        "Reconstruction",
        "StyleAdversary",
    ]
    before = [v.numpy() for v in model.trainable_variables]
    labels = tf.constant([0, 1, 1, 0, 1])
    model.loop.phases(model)["terms"]({**inputs, "label": labels})
    moved = [
        (v.numpy() != start).any()
        for v, start in zip(model.trainable_variables, before, strict=True)
    ]
    assert all(moved)
    assert preset(builder).loop is None


def test_refuses():
    model = make_vae(encoder=make_encoder(), loop=Alternating())
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="does not work with loss scaling"):
        model.compile(scaled)
