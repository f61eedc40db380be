"""Models together with what Keras offers around them."""

import csv
import glob

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, batch, dataset, make_vae, reseed
from tfvae.text import WordTokenizer


def compiled(optimizer=None):
    reseed(0)
    model = make_vae()
    model.compile(optimizer or keras.optimizers.Adam(0.02), run_eagerly=True)
    return model


def fit(model, data, callbacks=(), **options):
    options = {"validation_data": data, "epochs": 4, "shuffle": False} | options
    return model.fit(data, verbose=0, callbacks=list(callbacks), **options).history


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_callbacks_watch_the_bound(tmp_path, dataset):
    model = compiled()
    history = fit(
        model,
        dataset,
        [
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras",
                monitor=model.monitor,
                mode="min",
                save_best_only=True,
            ),
            keras.callbacks.CSVLogger(tmp_path / "history.csv"),
            keras.callbacks.TensorBoard(tmp_path / "logs", write_graph=False),
        ],
    )
    metrics = history["val_nelbo"]
    # So the best of them is the last.
    assert metrics == sorted(metrics, reverse=True)
    best = keras.models.load_model(tmp_path / "best.keras")
    assert_same_weights(best, model)
    assert int(best.step) == 4
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_nelbo"]) for row in rows] == metrics
    assert glob.glob(str(tmp_path / "logs" / "*" / "events*"))


def test_callbacks_slow_down_and_stop(dataset):
    model = compiled(keras.optimizers.SGD(0.1))
    # No metric is better by as much as that.
    watched = {"monitor": model.monitor, "mode": "min", "min_delta": 1e9}
    history = fit(
        model,
        dataset,
        [
            keras.callbacks.ReduceLROnPlateau(**watched, factor=0.5, patience=1),
            keras.callbacks.EarlyStopping(**watched, patience=3),
        ],
        epochs=9,
    )
    assert len(history["loss"]) == 4
    np.testing.assert_allclose(
        history["learning_rate"], [0.1, 0.1, 0.05, 0.025], rtol=1e-6
    )


def test_backup_and_restore_equals_the_uninterrupted(tmp_path, dataset):
    whole = compiled()
    fit(whole, dataset, validation_data=None)
    options = {"backup_dir": tmp_path, "delete_checkpoint": False}
    with pytest.raises(KeyboardInterrupt):
        backup = keras.callbacks.BackupAndRestore(**options)
        fit(compiled(), dataset, [backup, Interrupt()], validation_data=None)
    parts = compiled()
    backup = keras.callbacks.BackupAndRestore(**options)
    fit(parts, dataset, [backup], validation_data=None)
    assert int(parts.step) == 4
    assert_same_weights(parts, whole)
    optimizers = parts.optimizer.variables, whole.optimizer.variables
    for one, other in zip(*optimizers, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.fixture
def bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_mixed_precision(bfloat16, inputs, dataset):
    model = compiled()
    record = model.forward(inputs)
    assert record.code.dtype == record.memory.dtype == tf.bfloat16
    of_distributions = record.z, record.log_q, record.log_likelihood
    assert {each.dtype for each in of_distributions} == {tf.float32}
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    values = model.get_weights()
    keras.config.set_dtype_policy("float32")
    exact = compiled()
    exact.set_weights(values)
    expected = exact.likelihood_metrics(exact.forward(inputs))["nelbo"]
    # Eight bits of mantissa; sums over the words are taken in float32.
    found = model.likelihood_metrics(record)["nelbo"]
    np.testing.assert_allclose(found, expected, rtol=1e-2)
    assert (found.numpy() != expected.numpy()).any()
    losses = fit(model, dataset, validation_data=None)["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_export_gives_what_predict_gives(tmp_path, inputs):
    model = make_vae()
    model.export(tmp_path / "saved")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve(inputs["tokens"])
    model.compile(jit_compile=False)
    expected = model.predict_on_batch(inputs)
    assert set(served) == set(expected) == {"z", "nelbo", "kl"}
    for name, value in expected.items():
        np.testing.assert_allclose(served[name], value, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="'tf_saved_model'.*'onnx'"):
        model.export(tmp_path / "other", format="onnx")


def test_a_users_own_pipeline():
    words = [f"w{number}" for number in range(7)]
    tokenizer = WordTokenizer(vocabulary=words)
    tokens = batch()
    texts = [" ".join(words[i - 4] for i in row if i) for row in tokens]
    texts = tf.data.Dataset.from_tensor_slices(texts)
    pipeline = texts.batch(len(tokens)).map(
        lambda text: {"tokens": tokenizer.tokenize(text).to_tensor()}
    )
    np.testing.assert_array_equal(next(iter(pipeline))["tokens"], tokens)
    first, second = compiled(), compiled()
    assert fit(first, pipeline, epochs=2) == fit(second, dataset(tokens), epochs=2)
    assert_same_weights(first, second)
