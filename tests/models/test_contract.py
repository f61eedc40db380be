"""What Keras promises of `fit`, `save` and a loop of one's own, kept or refused."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import (
    assert_same_weights,
    dataset,
    make_decoder,
    make_encoder,
    make_vae,
    reseed,
)
from tfvae.layers.component import Component
from tfvae.loops import Lagging
from tfvae.models.trainer import DivergedError
from tfvae.objectives import KL, Constant, Linear, Reconstruction, Term


def compiled(optimizer="adam", eagerly=True, **overrides):
    reseed(1)
    model = make_vae(**overrides)
    model.compile(optimizer, jit_compile=False, run_eagerly=eagerly)
    return model


def update_of(model, data):
    before = [v.numpy() for v in model.trainable_variables]
    model.train_step(data)
    after = [v.numpy() for v in model.trainable_variables]
    return [new - old for old, new in zip(before, after, strict=True)]


def test_a_scaled_loss_takes_the_step_of_an_unscaled_one(inputs):
    plain = update_of(compiled(keras.optimizers.SGD(0.5)), inputs)
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.5), initial_scale=1024.0
    )
    # Its branch on finite gradients is a graph's.
    model = compiled(optimizer, eagerly=False)
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(dataset(inputs["tokens"]), verbose=0)
    for old, new, expected in zip(
        before, model.trainable_variables, plain, strict=True
    ):
        np.testing.assert_allclose(new.numpy() - old, expected, rtol=1e-3, atol=1e-6)


def test_lagging_refuses_a_scaled_loss():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="does not work with loss scaling"):
        compiled(optimizer, loop=Lagging())


def test_losses_of_regularizers_count(inputs):
    encoder = make_encoder()
    encoder.embedding.embeddings_regularizer = keras.regularizers.L2(10.0)
    model = compiled(keras.optimizers.SGD(0.01), encoder=encoder)
    plain = compiled(keras.optimizers.SGD(0.01))
    values = model.encoder.embedding.embeddings.numpy()
    expected = 10.0 * (values**2).sum()
    logs = model.test_step(inputs)
    assert float(logs["regularization"]) == pytest.approx(expected, rel=1e-5)
    likelihoods = float(logs["reconstruction"]) + float(logs["kl"])
    assert float(logs["loss"]) == pytest.approx(likelihoods + expected, rel=1e-5)
    model.reset_metrics()
    difference = update_of(model, inputs)[0] - update_of(plain, inputs)[0]
    np.testing.assert_allclose(difference, -0.01 * 20.0 * values, rtol=1e-3, atol=1e-5)


def test_sample_weights_are_weights_of_sentences(tokens):
    def step(rows, weight):
        model = compiled(keras.optimizers.SGD(0.5), objective=[Reconstruction()])
        # No noise, so that rows are alike in both.
        model.posterior.heads["log_variance"].bias.assign(tf.fill([2], -100.0))
        model.posterior.heads["log_variance"].kernel.assign(tf.zeros([4, 2]))
        inputs = {"tokens": tf.constant(rows)}
        data = inputs if weight is None else (inputs, None, tf.constant(weight))
        return update_of(model, data)

    weighted = step(tokens, [2.5, 0.0, 2.5, 0.0, 0.0])
    chosen = step(tokens[[0, 2]], None)
    for one, other in zip(weighted, chosen, strict=True):
        # A variance has a floor, exp(-20), and with it some noise.
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    nothing = step(tokens, np.zeros(5, "float32"))
    assert all((each == 0.0).all() for each in nothing)


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (lambda tokens: ({"tokens": tokens}, tokens), "targets `y`"),
        (lambda tokens: tokens, "Tensor"),
        (lambda tokens: tf.constant(["a b", "c"]), "Tensor"),
    ],
)
def test_what_is_no_batch_is_refused(tokens, data, received):
    model = compiled()
    with pytest.raises(ValueError, match=f"must be a dict with 'tokens'.*{received}"):
        model.train_step(data(tf.constant(tokens)))


def test_a_layer_that_is_not_trained_stays_so_when_saved(inputs, tmp_path):
    model = compiled()
    model.decoder.trainable = False
    model.encoder.embedding.trainable = False
    model.compile("adam", jit_compile=False, run_eagerly=True)
    model.train_step(inputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.decoder.trainable
    assert not loaded.encoder.embedding.trainable
    assert loaded.encoder.trainable and loaded.posterior.trainable
    paths = [[v.path for v in m.trainable_variables] for m in (model, loaded)]
    assert len(paths[0]) == len(paths[1]) > 0
    loaded.run_eagerly = True
    model.train_step(inputs)
    loaded.train_step(inputs)
    assert_same_weights(model, loaded)


class SetsWeight(keras.callbacks.Callback):
    """Sets a term's weight after the first batch."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def on_train_batch_end(self, batch, logs=None):
        self.model.objective[1].weight = self.weight


@pytest.mark.parametrize(
    "weight",
    [0.75, pytest.param(Constant(0.75), marks=pytest.mark.slow), Linear(1, last=0.75)],
)
def test_a_weight_set_by_a_callback_counts(tokens, weight, tmp_path):
    model = compiled("sgd", eagerly=False, objective=[Reconstruction(), KL(0.25)])
    data = dataset(tokens).repeat()
    options = {"steps_per_epoch": 1, "epochs": 3, "verbose": 0}
    logs = model.fit(data, callbacks=[SetsWeight(weight)], **options).history
    assert logs["kl_weight"] == pytest.approx([0.25, 0.75, 0.75])
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        each.run_eagerly = True
        found = each.evaluate(dataset(tokens), verbose=0, return_dict=True)
        expected = found["reconstruction"] + 0.75 * found["kl"]
        assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_loop_of_ones_own_has_new_noise_at_each_step(inputs):
    def noisy():
        reseed(1)
        return make_vae(decoder=make_decoder(output_dropout=0.5))

    model, again = noisy(), noisy()
    first, second = (model(inputs, training=True).numpy() for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(again(inputs, training=True), first)
    # Outside of training a pass is a function of its inputs.
    np.testing.assert_array_equal(model(inputs), model(inputs))


def test_training_ends_where_a_loss_is_no_number(tokens):
    class Broken(Term):
        def cost(self, forward):
            # No number from the third batch on.
            return forward.z[0, :, 0] * tf.sqrt(1.5 - self.hits.value)

        def build(self, **widths):
            self.hits = self.add_weight(name="hits", shape=(), trainable=False)

    broken = Broken(name="broken")
    model = compiled(objective=[Reconstruction(), broken])
    count = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: broken.hits.assign(batch)
    )
    with pytest.raises(DivergedError, match="step 3: `broken` is no finite number"):
        model.fit(
            dataset(tokens).repeat(), steps_per_epoch=5, callbacks=[count], verbose=0
        )


def test_training_ends_where_a_weight_is_no_number(tokens):
    model = compiled()
    spoil = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: model.decoder.output_layer.bias.assign(
            np.full(11, np.inf)
        )
    )
    with pytest.raises(DivergedError, match="the weight `.*output/bias` is no finite"):
        model.fit(dataset(tokens), callbacks=[spoil], verbose=0)


def test_what_cannot_be_saved_is_refused_when_the_model_is_made():
    class Forgetful(Component):
        def __init__(self, width, *, name=None, dtype=None):
            super().__init__(name=name, dtype=dtype)
            self.size = width

    class Odd(Term):
        def __init__(self, part, *, name=None, dtype=None):
            super().__init__(name=name, dtype=dtype)
            self.part = part

        def cost(self, forward):
            return forward.log_likelihood[0]

    with pytest.raises(ValueError, match="`Forgetful`.*store it as `self.width`"):
        make_vae(objective=[Odd(Forgetful(3))])


@pytest.mark.parametrize("monitor", ["val_nelbo", "val_loss", "val_perplexity", "kl"])
def test_callbacks_know_the_direction_of_metrics(tokens, monitor):
    model = compiled(keras.optimizers.SGD(0.0))
    options = {"monitor": monitor, "patience": 1, "min_delta": 100.0}
    plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, **options)
    model.optimizer.learning_rate.assign(1e-6)
    model.fit(
        dataset(tokens),
        validation_data=dataset(tokens),
        epochs=2,
        callbacks=[plateau, keras.callbacks.EarlyStopping(**options)],
        verbose=0,
    )
    assert float(model.optimizer.learning_rate) == pytest.approx(5e-7)


@pytest.mark.parametrize(
    "name", ["loss", "loss_weights", "metrics", "weighted_metrics"]
)
def test_compile_refuses_by_name_what_it_has_no_use_for(name):
    with pytest.raises(ValueError, match=f"`{name}` is not taken.*objective"):
        make_vae().compile("sgd", **{name: ["accuracy"]})


def test_several_steps_in_one_execution(tokens):
    logs = []
    for steps in (1, 2):
        reseed(1)
        model = make_vae()
        options = {"steps_per_execution": steps, "run_eagerly": steps == 1}
        model.compile("sgd", jit_compile=False, **options)
        fitted = model.fit(dataset(tokens).repeat(4), steps_per_epoch=4, verbose=0)
        logs.append(fitted.history["loss"])
        assert int(model.step) == 4
    assert logs[0] == pytest.approx(logs[1])
    with pytest.raises(ValueError, match="must be 1 with `Lagging`"):
        make_vae(loop=Lagging()).compile("sgd", steps_per_execution=2)


@pytest.mark.long
@pytest.mark.parametrize(
    "imports",
    ["tfvae, keras", pytest.param("keras, tfvae", marks=pytest.mark.slow)],
)
def test_keras_loads_a_model_after_the_import_alone(inputs, tmp_path, imports):
    model = compiled()
    model.save(tmp_path / "model.keras")
    code = (
        f"import {imports}; model = keras.models.load_model({str(tmp_path)!r} + "
        "'/model.keras'); print(type(model).__name__, model.optimizer.built)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["VAE", "True"], done.stderr[-500:]
