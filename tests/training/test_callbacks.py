import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, dataset, make_decoder, make_vae
from tfvae.evaluation.latent import gradient_norms
from tfvae.latents import Implicit, PlanarFlow
from tfvae.models import LanguageModel
from tfvae.objectives import Reconstruction
from tfvae.text import WordTokenizer
from tfvae.training.callbacks import (
    GradientNorms,
    LatentMetrics,
    LatentProjector,
    TextSamples,
)

WORDS = [f"word{index}" for index in range(VOCABULARY_SIZE - 4)]
TEXTS = ["word0 word1", "word2", "word1 word1 word3"]


@pytest.fixture
def model():
    model = make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))
    model.compile("sgd", run_eagerly=True)
    return model


def events(folder):
    """Reads what TensorBoard would show, a list of tags, steps and texts."""
    found = []
    for file in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                text = value.tensor.string_val[0].decode()
                found.append((value.tag, event.step, text))
    return found


@pytest.mark.slow
def test_gradient_norms_reach_the_logs(model, inputs, tmp_path):
    batches = dataset(inputs["tokens"])
    path = tmp_path / "history.csv"
    callbacks = [GradientNorms(batches), keras.callbacks.CSVLogger(path)]
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    expected = gradient_norms(model, batches)["gradient_memory"]
    assert float(rows[1]["gradient_memory"]) == pytest.approx(expected, rel=1e-5)
    assert rows[0]["gradient_memory"] != rows[1]["gradient_memory"]


def measured(model, tokens, **options):
    callback = LatentMetrics(lambda model: dataset(tokens, 2), **options)
    callback.set_model(model)
    logs = {}
    callback.on_epoch_end(0, logs)
    return logs


def test_latent_metrics_of_distant_posteriors(model, inputs):
    tokens = inputs["tokens"][:4]
    means = 1000.0 * np.arange(8, dtype="float32").reshape(4, 2)
    params = {"loc": means, "log_variance": 0.0 * means}
    rows = iter(np.split(np.arange(4), 2))

    def encode(inputs):
        picked = next(rows)
        return {name: tf.constant(value[picked]) for name, value in params.items()}

    model.posterior_params = encode
    tf.config.run_functions_eagerly(True)
    logs = measured(model, tokens)
    tf.config.run_functions_eagerly(False)
    assert logs["val_active_units"] == 2
    assert logs["val_mi"] == pytest.approx(np.log(4), abs=1e-6)


def test_latent_metrics_of_some_sentences(model, inputs):
    logs = measured(model, inputs["tokens"], max_sentences=2)
    assert logs["val_mi"] <= np.log(2) + 1e-6


def test_latent_metrics_of_batches_that_are_given(model, inputs):
    tokens = inputs["tokens"][:4]
    callback = LatentMetrics(dataset(tokens, 2))
    callback.set_model(model)
    first, again = {}, {}
    callback.on_epoch_end(0, first)
    callback.on_epoch_end(1, again)
    assert first == again == measured(model, tokens)


def test_latent_metrics_where_there_is_less():
    tokens = np.array([[4, 5], [6, 0], [7, 8]], "int32")
    flow = make_vae(posterior=PlanarFlow(2, 1))
    assert set(measured(flow, tokens)) == {
        "val_active_units",
        "val_latent_gain",
        "val_mi",
    }
    layered = make_vae(
        posterior=Implicit(2, hidden_dims=(3,)), objective=[Reconstruction()]
    )
    assert set(measured(layered, tokens)) == {"val_active_units", "val_latent_gain"}
    assert measured(LanguageModel(make_decoder(conditioning=())), tokens) == {}


def test_samples_reach_tensorboard(model, inputs, tmp_path):
    callback = TextSamples(tmp_path, num=2, texts=["word0 word1"], max_length=5)
    batches = dataset(inputs["tokens"])
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=[callback])
    found = events(tmp_path)
    assert sorted((tag, step) for tag, step, _ in found) == [
        ("reconstructions", 0),
        ("reconstructions", 1),
        ("samples", 0),
        ("samples", 1),
    ]
    texts = {tag: text for tag, step, text in found if step == 1}
    assert texts["reconstructions"].startswith("word0 word1  \n> ")
    assert texts["samples"].count("\n\n") == 1
    assert "<" not in texts["samples"]


def test_codes_reach_the_projector(model, inputs, tmp_path):
    callback = LatentProjector(tmp_path, TEXTS, [0, 1, 0], batch_size=2)
    batches = dataset(inputs["tokens"])
    model.fit(batches, verbose=0, shuffle=False, callbacks=[callback])
    codes = np.loadtxt(tmp_path / "codes.tsv", delimiter="\t")
    tokens = model.tokenizer.tokenize(tf.constant(TEXTS[2:])).to_tensor()
    expected = model.posterior.mode(model.posterior_params({"tokens": tokens}))
    np.testing.assert_allclose(codes[2:], expected, rtol=1e-4)
    lines = (tmp_path / "codes_metadata.tsv").read_text().splitlines()
    assert lines[0] == "sentence\tlabel" and lines[2] == "word2\t1"
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "codes.tsv"' in config


def test_refuses_labels_of_another_length(tmp_path):
    with pytest.raises(ValueError, match="2 labels, 3 texts"):
        LatentProjector(tmp_path, TEXTS, [0, 1])
