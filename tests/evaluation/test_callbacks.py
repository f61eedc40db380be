import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import VOCABULARY_SIZE, dataset, make_vae
from tfvae.evaluation.callbacks import DynamicsLogger, LatentProjector, TextSamples
from tfvae.evaluation.dynamics import training_dynamics
from tfvae.text import WordTokenizer

WORDS = [f"word{index}" for index in range(VOCABULARY_SIZE - 4)]
TEXTS = ["word0 word1", "word2", "word1 word1 word3"]


@pytest.fixture
def model():
    model = make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))
    model.compile("sgd", jit_compile=False)
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


def test_dynamics_reach_the_logs(model, inputs, tmp_path):
    batches = dataset(inputs["tokens"])
    path = tmp_path / "history.csv"
    callbacks = [DynamicsLogger(batches), keras.callbacks.CSVLogger(path)]
    model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    expected = training_dynamics(model, batches)["gradient_memory"]
    assert float(rows[1]["gradient_memory"]) == pytest.approx(expected, rel=1e-5)
    assert rows[0]["gradient_memory"] != rows[1]["gradient_memory"]


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
    expected = model.posterior.point(model.encode({"tokens": tokens}))
    np.testing.assert_allclose(codes[2:], expected, rtol=1e-4)
    lines = (tmp_path / "codes_metadata.tsv").read_text().splitlines()
    assert lines[0] == "sentence\tlabel" and lines[2] == "word2\t1"
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "codes.tsv"' in config


def test_refuses_labels_of_another_length(tmp_path):
    with pytest.raises(ValueError, match="2 labels, 3 texts"):
        LatentProjector(tmp_path, TEXTS, [0, 1])
