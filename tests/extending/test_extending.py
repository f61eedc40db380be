"""Three components written outside the library: trained, saved, loaded, evaluated."""

import dataclasses
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfvae
from tests.extending.delta_posterior import DeltaGaussian, delta_vae
from tests.extending.skip_decoder import SkipDecoder, skip_vae
from tests.extending.student_t_prior import StudentT, student_t_vae
from tfvae.presets import SETTINGS
from tfvae.text import default_grammar

SETTING = dataclasses.replace(
    SETTINGS["ivae"], embedding_dim=8, encoder_dim=8, decoder_dim=8, latent_dim=3
)
MOST_LINES = 40
_OWN = ("__init__", "test_extending")


@pytest.fixture(scope="module")
def data():
    texts = [sentence.text for sentence in default_grammar().sample(64)]
    return tfvae.Batches(texts, batch_size=32)


@pytest.mark.long
@pytest.mark.parametrize("preset", [skip_vae, student_t_vae, delta_vae])
def test_trains_saves_loads_and_evaluates(preset, data, tmp_path, eagerly):
    # In graphs they train where the documentation's page on them is tested.
    model = preset(SETTING, data)
    logs = model.fit(data, epochs=2, verbose=0).history
    assert logs["reconstruction"][1] < logs["reconstruction"][0]
    model.save(tmp_path / "model.keras")
    loaded = tfvae.load_model(tmp_path / "model.keras")
    found = [
        tfvae.evaluate(each, data, num_samples=5, seed=1) for each in (model, loaded)
    ]
    assert found[0] == found[1]
    assert {"nelbo", "nll", "kl", "mi"} <= set(found[0])
    assert found[0]["num_sentences"] == 64
    assert len(loaded.generate(3)) == 3
    assert len(loaded.reconstruct(["the chef left ."])) == 1


def test_the_skip_decoder_scores_as_it_writes(data):
    decoder = skip_vae(SETTING, data).decoder
    assert isinstance(decoder, SkipDecoder)
    assert decoder.output_layer.kernel.shape[0] == 8 + 3
    memory = tf.random.stateless_normal([2, 3], [0, 1])
    tokens = tf.constant([[5, 6, 7], [8, 9, 0]])
    logits = decoder.logits(tokens, memory[None])[0]
    state = decoder.initial_state(memory, 4)
    for step, words in enumerate([[1, 1], [5, 8], [6, 9]]):
        found, state = decoder.next_logits(tf.constant(words), memory, state)
        np.testing.assert_allclose(found, logits[:, step], atol=1e-5)


def test_the_rate_is_committed(data):
    model = delta_vae(SETTING, data)
    assert isinstance(model.posterior, DeltaGaussian)
    head = model.posterior.heads["log_variance"]
    # Where training might push it.
    for bias in (-30.0, 0.0, 30.0):
        head.bias.assign(tf.fill([3], bias))
        model.posterior.heads["loc"].kernel.assign(tf.zeros([8, 3]))
        model.posterior.heads["loc"].bias.assign(tf.zeros([3]))
        forward = model.forward({"tokens": tf.ones([4, 5], tf.int32) * 5})
        kl = model.likelihood_metrics(forward)["kl"].numpy()
        assert (kl >= 3 * 0.2 - 1e-5).all()


@pytest.mark.long
def test_the_prior_is_sampled_alike_with_and_without_xla():
    prior = StudentT(3)
    prior.build(code_dim=0)

    def sample(seed):
        return prior.sample(prior(tf.zeros([5, 0])), 2, seed)

    seed = tf.constant([1, 2])
    plain = tf.function(sample)(seed)
    compiled = tf.function(sample, jit_compile=True)(seed)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_each_is_short():
    folder = pathlib.Path(__file__).parent
    files = [file for file in folder.glob("*.py") if file.stem not in _OWN]
    assert len(files) == 3
    for file in files:
        assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES
    assert keras.saving.get_registered_object("outside>StudentT") is StudentT
