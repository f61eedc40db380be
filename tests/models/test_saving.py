import zipfile

import h5py
import keras
import numpy as np
import pytest

from tests.support import (
    VOCABULARY_SIZE,
    ToyCritic,
    assert_same_weights,
    batch,
    dataset,
    make_decoder,
    make_encoder,
    make_vae,
    reseed,
)
from tfvae import load_model
from tfvae.decoders import Bridge
from tfvae.latents import Gaussian
from tfvae.objectives import KL, BagOfWords, Cyclical, Linear, Reconstruction


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


def rows():
    return dataset(batch([5, 3, 1, 0, 4, 2]), 3)


def rich_vae():
    return make_vae(
        encoder=make_encoder(dropout=0.2),
        posterior=Gaussian(2, batch_normalization=True),
        decoder=make_decoder(
            input_dropout=0.2,
            memory_dropout=0.1,
            output_dropout=0.2,
            word_dropout=0.1,
        ),
        bridge=Bridge((3,)),
        objective=[
            Reconstruction(),
            KL(Linear(20), free_bits=0.05),
            BagOfWords(Cyclical(8, 2), hidden_dim=5),
            ToyCritic(0.1, keras.optimizers.Adam(0.01), num_critic_steps=2),
        ],
        share_embedding=True,
        seed=3,
    )


def state(model):
    """Every number that training depends on."""
    optimizers = [model.optimizer, *(t.critic_optimizer for t in model.critics)]
    return [
        variable.numpy()
        for source in (model, *optimizers)
        for variable in source.variables
    ]


def assert_same_state(first, second):
    pairs = list(zip(state(first), state(second), strict=True))
    assert len(pairs) > 10
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("eagerly", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_break_in_training_changes_nothing(path, eagerly):
    model = rich_vae()
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    model.compile(optimizer, jit_compile=False, run_eagerly=eagerly)
    model.fit(rows(), epochs=1, verbose=0, shuffle=False)
    model.save(path)
    # Any other start: nothing may depend on the state of the process.
    reseed(99)
    loaded = keras.models.load_model(path)
    assert int(loaded.step) == 2
    loaded.run_eagerly = eagerly
    assert_same_state(model, loaded)
    for each in (model, loaded):
        each.last_logs = each.fit(rows(), epochs=2, verbose=0, shuffle=False).history
    assert int(loaded.step) == 6
    assert model.last_logs == loaded.last_logs
    assert_same_state(model, loaded)


def test_saving_before_compiling(path, inputs):
    model = make_vae()
    model.save(path)
    loaded = keras.models.load_model(path)
    assert not loaded.compiled
    assert_same_weights(model, loaded)
    np.testing.assert_array_equal(model(inputs), loaded(inputs))


def test_shared_word_vectors_are_one_table(path, inputs):
    model = make_vae(share_embedding=True)
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        archive.extract("model.weights.h5", path.parent)
    tables = []

    def collect(name, entry):
        if getattr(entry, "shape", None) == (VOCABULARY_SIZE, 3):
            tables.append(name)

    with h5py.File(path.parent / "model.weights.h5") as file:
        file.visititems(collect)
    assert len(tables) == 1
    loaded = keras.models.load_model(path)
    assert loaded.decoder.embedding is loaded.encoder.embedding
    assert_same_weights(model, loaded)
    np.testing.assert_array_equal(model(inputs), loaded(inputs))


def test_weights_alone(tmp_path, inputs):
    model = make_vae()
    model.save_weights(tmp_path / "a.weights.h5")
    reseed(1)
    other = make_vae()
    assert (other(inputs).numpy() != model(inputs).numpy()).any()
    other.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(model(inputs), other(inputs))


def test_own_classes_that_are_not_registered(path):
    class OwnKL(KL):
        pass

    model = make_vae(objective=[Reconstruction(), OwnKL(0.5)])
    model.save(path)
    with pytest.raises((TypeError, ValueError), match="OwnKL"):
        load_model(path)
    loaded = load_model(path, custom_objects={"OwnKL": OwnKL})
    assert type(loaded.objective[1]) is OwnKL
    assert_same_weights(model, loaded)
