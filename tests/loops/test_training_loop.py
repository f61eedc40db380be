"""Phases of training: what moves in them, when they change, and resuming in them."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import (
    ToyCritic,
    batch,
    dataset,
    make_decoder,
    make_encoder,
    make_vae,
)
from tfvae.decoders import Bridge
from tfvae.latents import Deterministic
from tfvae.loops import Lagging, Pretraining, lagging
from tfvae.loops.lagging import _codes, batch_mutual_information
from tfvae.loops.training_loop import TrainingLoop
from tfvae.models import LanguageModel
from tfvae.objectives import KL, Linear, Reconstruction


def compiled(loop, optimizer="adam", **overrides):
    model = make_vae(loop=loop, **overrides)
    model.compile(optimizer, jit_compile=False, run_eagerly=True)
    return model


def rows():
    return dataset(batch([5, 3, 1, 0, 4, 2]), 2)


def state(model):
    """Every number that training depends on."""
    optimizers = [model.optimizer, getattr(model.loop, "encoder_optimizer", None)]
    optimizers += [term.critic_optimizer for term in model.critics]
    sources = [model, *(each for each in optimizers if each is not None)]
    return {
        f"{index}/{place}/{variable.path}": variable.numpy()
        for index, source in enumerate(sources)
        for place, variable in enumerate(source.variables)
    }


def changed(before, after):
    return {name for name in before if (before[name] != after[name]).any()}


def assert_same_state(first, second):
    one, other = state(first), state(second)
    assert len(one) > 10
    for (name, left), right in zip(one.items(), other.values(), strict=True):
        np.testing.assert_array_equal(left, right, name)


def paths(variables):
    return {variable.path for variable in variables}


def moved_by(model, phase, inputs):
    """Names the trainable variables that a phase moves."""
    before = {v.path: v.numpy() for v in model.trainable_variables}
    logs = model.loop.phases(model)[phase](inputs)
    after = {v.path: v.numpy() for v in model.trainable_variables}
    return changed(before, after), logs


@pytest.mark.parametrize("share_embedding", [False, True])
def test_lagging_phases_move_one_side_and_its_moments(inputs, share_embedding):
    model = compiled(
        Lagging(), share_embedding=share_embedding, bridge=Bridge((3,)), num_samples=2
    )
    sides = paths(model.encoder.trainable_variables) | paths(
        model.posterior.trainable_variables
    )
    others = paths(model.trainable_variables) - sides
    assert {p for p in others if "decoder" in p} and {p for p in others if "layer" in p}
    main, own = model.optimizer, model.loop.encoder_optimizer
    numbers = [[v.numpy() for v in each.variables] for each in (main, own)]

    found, logs = moved_by(model, "encoder", inputs)
    assert found == sides
    assert set(logs) == {"nats", "num_tokens"}
    assert int(logs["num_tokens"]) == 5 + 3 + 1 + 0 + 4 + 5
    assert (int(model.step), int(main.iterations), int(own.iterations)) == (0, 0, 1)
    for variable, value in zip(main.variables, numbers[0], strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)

    numbers = [v.numpy() for v in own.variables]
    found, logs = moved_by(model, "decoder", inputs)
    assert found == others
    assert (int(model.step), int(main.iterations), int(own.iterations)) == (1, 1, 1)
    for variable, value in zip(own.variables, numbers, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)

    found, _ = moved_by(model, "joint", inputs)
    assert found == sides | others
    assert (int(model.step), int(main.iterations), int(own.iterations)) == (2, 2, 2)


def test_a_joint_update_is_that_of_a_model_without_a_pattern(inputs):
    results = []
    for loop in (None, Lagging()):
        keras.utils.set_random_seed(0)
        model = compiled(loop, keras.optimizers.Adam(0.01, global_clipnorm=0.1))
        step = model.loop.phases(model)["joint"] if loop else model.train_step
        logs = step(inputs)
        results.append([v.numpy() for v in model.trainable_variables] + [logs["loss"]])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_decay_follows_full_updates(inputs):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.0])
    model = compiled(Lagging(), keras.optimizers.SGD(rate))
    for _ in range(3):
        assert moved_by(model, "encoder", inputs)[0]
    assert float(model.loop.encoder_optimizer.learning_rate) == 0.5
    for _ in range(2):
        moved_by(model, "decoder", inputs)
    assert not moved_by(model, "encoder", inputs)[0]


def test_critics_learn_in_each_sub_step(inputs):
    terms = [Reconstruction(), ToyCritic(0.1, "sgd")]
    model = compiled(Lagging(), objective=terms)
    critic = paths(terms[1].critic.trainable_variables)
    for phase in ("encoder", "decoder", "joint"):
        assert critic <= moved_by(model, phase, inputs)[0]
    assert int(terms[1].critic_optimizer.iterations) == 3


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # Means of a token over each two: 5, 4, then 4.5 ends it.
        ([10, 10, 7, 9, 8, 10], [0, 1, 2, 3, 4, 5]),
        ([10, 10, 11, 10], [0, 1, 2, 3]),
        # Equal is not worse; then the limit ends it.
        ([10] * 7, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_loop_ends_by_its_rule(losses, expected):
    loop = Lagging(check_every=2, max_sub_steps=7)
    loop.build()
    calls, script = [], iter(losses)

    def run(phase, number):
        calls.append((phase, number))
        return {"nats": next(script), "num_tokens": 2} if phase == "encoder" else {}

    loop.train_step(None, run, iter(range(100)))
    assert calls == [("encoder", number) for number in expected] + [("decoder", 0)]
    assert int(loop.num_batches) == len(expected)
    loop.aggressive.assign(0)
    loop.train_step(None, run, iter(range(50, 60)))
    assert calls[-1] == ("joint", 50)


def test_the_loop_ends_with_the_data():
    loop = Lagging(check_every=2, max_sub_steps=7)
    loop.build()
    calls = []
    batches = iter([0])
    loop.train_step(None, lambda *call: calls.append(call), batches)
    assert calls == [("encoder", 0), ("decoder", 0)]
    with pytest.raises(StopIteration):
        loop.train_step(None, None, batches)


def test_aggressive_until_information_stops_growing(tmp_path):
    model = compiled(Lagging())
    for value in (-0.5, 0.25, 0.5):
        model.loop.on_epoch_end(model, {"mi_batch": value})
        assert model.loop.is_aggressive
    model.loop.on_epoch_end(model, {"mi_batch": 0.5})
    assert not model.loop.is_aggressive
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.loop.on_epoch_end(loaded, {"mi_batch": 9.0})
    assert not loaded.loop.is_aggressive


def test_validation_data_decide_before_training_batches():
    model = compiled(Lagging())
    for value in (0.2, 0.3):
        model.loop.on_epoch_end(model, {"mi_batch": -value, "val_mi_lagging": value})
        assert model.loop.is_aggressive
    model.loop.on_epoch_end(model, {"mi_batch": 9.0, "val_mi_lagging": 0.25})
    assert not model.loop.is_aggressive


def test_information_of_validation_data(monkeypatch):
    model = compiled(Lagging(), encoder=make_encoder(dropout=0.5))
    for weight in model.encoder_variables:
        weight.assign(3.0 * weight)
    rows = batch([5, 3, 1, 4, 4, 2, 5])
    params = model.posterior(model.encoder(rows))
    loc, scale = params["loc"].numpy(), np.exp(0.5 * params["log_variance"].numpy())
    found, z = _codes(model, dataset(rows, 3))
    np.testing.assert_allclose(found["loc"], loc, rtol=1e-5, atol=1e-6)
    assert np.abs((z[0] - loc) / scale).max() < 4.0
    logs = stats.norm(loc[None], scale[None]).logpdf(z[0].numpy()[:, None]).sum(-1)
    expected = np.mean(np.diag(logs) - np.log(np.exp(logs).mean(1)))
    # The same in every epoch, though the encoder has dropout, and at every batch size.
    for _ in range(2):
        logs = model.loop.measure(model, dataset(rows, 3))
        assert logs["aggressive"] == 1.0
        assert logs["val_mi_lagging"] == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(lagging, "_MAX_SENTENCES", 5)
    endless = dataset(rows, 3).repeat()
    params, z = _codes(model, endless)
    assert z.shape == (1, 5, 2) and params["loc"].shape == (5, 2)


@pytest.mark.parametrize("kind", ["dataset", "dict"])
def test_fit_measures_on_validation_data(capsys, kind):
    model = compiled(Lagging(1, 2))
    tokens = batch([2, 5, 4, 1])
    valid = dataset(tokens, 2) if kind == "dataset" else {"tokens": tokens}
    history = model.fit(rows(), epochs=2, validation_data=valid, verbose=2).history
    assert "Lagging" not in capsys.readouterr().out
    assert len(history["val_mi_lagging"]) == 2
    assert max(history["val_mi_lagging"]) <= np.log(4) + 1e-6
    assert history["aggressive"][0] == 1.0
    assert float(model.loop.last_information) == pytest.approx(
        history["val_mi_lagging"][-1]
    )


def test_without_validation_data_fit_says_what_decides(capsys):
    model = compiled(Lagging(1, 2))
    history = model.fit(rows(), verbose=2).history
    assert capsys.readouterr().out.count("ends its aggressive mode by") == 1
    assert "val_mi_lagging" not in history
    assert float(model.loop.last_information) == pytest.approx(history["mi_batch"][0])
    model.fit(rows(), verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("loop", [Lagging(), Pretraining(1)])
def test_replicas_are_refused_where_training_begins(loop):
    callback = loop.callback()
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    callback.set_model(types.SimpleNamespace(loop=loop, distribute_strategy=strategy))
    with pytest.raises(ValueError, match="on one device alone.*Received: 2 replicas"):
        callback.on_train_begin()


def test_mutual_information_of_a_batch(rng):
    loc, scale, z = (rng.normal(size=(4, 2)) for _ in range(3))
    scale = np.exp(scale)
    densities = stats.norm(loc[None], scale[None]).logpdf(z[:, None]).sum(-1)
    found = batch_mutual_information(tf.constant(densities, tf.float32))
    expected = np.diag(densities) - np.log(np.exp(densities).mean(1))
    assert float(found) == pytest.approx(expected.mean(), rel=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Lagging(2, 5), marks=pytest.mark.slow),
        lambda: Pretraining(3),
    ],
    ids=["lagging", "pre"],
)
def test_a_break_in_training_changes_nothing(tmp_path, make):
    def fresh():
        keras.utils.set_random_seed(0)
        model = make_vae(
            loop=make(),
            encoder=make_encoder(dropout=0.2),
            decoder=make_decoder(word_dropout=0.1),
            objective=[Reconstruction(), KL(Linear(20))],
        )
        # In graphs the runs of whole folders are compared.
        model.compile(keras.optimizers.Adam(0.01), jit_compile=False, run_eagerly=True)
        return model

    whole, parts = fresh(), fresh()
    options = {"validation_data": rows(), "verbose": 0, "shuffle": False}
    whole.fit(rows(), epochs=3, **options)
    parts.fit(rows(), epochs=1, **options)
    parts.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_state(parts, loaded)
    loaded.run_eagerly = True
    loaded.fit(rows(), epochs=3, initial_epoch=1, **options)
    assert int(loaded.step) == 9 - loaded.loop.num_pretraining_steps
    assert_same_state(whole, loaded)


def test_pretraining_keeps_the_encoder_and_starts_anew(tmp_path, inputs):
    model = compiled(
        Pretraining(2),
        keras.optimizers.Adam(0.05),
        bridge=Bridge((3,)),
        objective=[Reconstruction(), KL(Linear(10))],
        share_embedding=True,
    )
    start = {v.path: v.numpy() for v in model.trainable_variables}
    logs = model.fit(dataset(inputs["tokens"]), epochs=2, verbose=0, shuffle=False)
    history = logs.history
    trained = {v.path: v.numpy() for v in model.trainable_variables}
    still = {f"{model.posterior.name}/log_variance/{n}" for n in ("kernel", "bias")}
    assert changed(start, trained) == set(start) - still
    assert history["loss"] == history["reconstruction"]
    assert np.isnan(history["nelbo"]).all() and history["kl_weight"] == [0.0, 0.0]
    assert int(model.step) == 0 and not model.loop.in_final_phase
    assert int(model.optimizer.iterations) == 2

    seen = []
    step = model.train_step

    def spy(data):
        seen.append({v.path: v.numpy() for v in model.trainable_variables})
        seen.append([v.numpy() for v in model.optimizer.variables])
        return step(data)

    model.train_step = spy
    model.make_train_function(force=True)
    history = model.fit(
        dataset(inputs["tokens"]), epochs=3, verbose=0, shuffle=False
    ).history
    kept = paths(model.encoder.trainable_variables)
    kept |= paths(model.posterior.trainable_variables)
    assert changed(trained, seen[0]) == set(start) - kept
    assert changed(start, seen[0]) >= set(start) - kept
    assert len([v for v in seen[1] if v.any()]) == 1  # The learning rate.
    np.testing.assert_allclose(history["kl_weight"], [0.0, 0.1, 0.2], rtol=1e-6)
    assert np.isfinite(history["nelbo"]).all()
    assert int(model.step) == 3 and model.loop.in_final_phase


def test_pretraining_by_samples(inputs):
    model = compiled(Pretraining(1, "sample"))
    found, logs = moved_by(model, "autoencoder", inputs)
    assert found == paths(model.trainable_variables)
    assert float(logs["loss"]) == float(logs["reconstruction"])
    assert np.isfinite(float(logs["nelbo"])) and float(logs["kl_weight"]) == 0.0


def test_the_point_is_decoded(inputs):
    model = compiled(Pretraining(1))
    record = model.forward(inputs, at_mode=True)
    memory = model.bridge(record.params["loc"][None])
    expected = model.decoder.log_prob(inputs["tokens"], memory)
    np.testing.assert_allclose(record.log_likelihood, expected, rtol=1e-5)
    assert record.z.shape == (1, 5, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lagging(check_every=0), "`check_every` must be positive.*=0"),
        (lambda: Lagging(max_sub_steps=0), "`max_sub_steps` must be positive"),
        (lambda: Pretraining(-1), "`num_steps` must not be negative.*=-1"),
        (lambda: Pretraining(1, "mean"), "`code` must be one of.*'mean'"),
        (
            lambda: make_vae(
                loop=Lagging(),
                posterior=Deterministic(2),
                objective=[Reconstruction()],
            ),
            "needs a posterior with a density.*posterior=Deterministic",
        ),
        (
            lambda: TrainingLoop().check(LanguageModel(make_decoder(conditioning=()))),
            "Use it in a `VAE`",
        ),
        (lambda: compiled(Lagging()).fit([1]), "of known size.*Received: list"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
