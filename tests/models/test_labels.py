"""Models that know a label: numbers, names, and that what they write follows it."""

import dataclasses

import keras
import pytest

import tfvae
from tests.support import make_vae
from tfvae.models.conditional import require_transfer
from tfvae.objectives import KL, Reconstruction

ROWS = [
    {"text": text, "label": label}
    for text, label in [("a a b", "x"), ("b a", "x"), ("c d", "y"), ("d d c", "y")]
]


@pytest.fixture(scope="module")
def data():
    return tfvae.Batches(ROWS * 4, batch_size=8)


@pytest.fixture(scope="module")
def builder(data):
    small = dataclasses.replace(
        tfvae.presets.SETTINGS["ivae"],
        embedding_dim=8,
        encoder_dim=16,
        decoder_dim=16,
        latent_dim=4,
        input_dropout=0.0,
        output_dropout=0.0,
        weight_range=None,
        embedding_range=None,
        learning_rate=0.02,
    )
    return tfvae.ModelBuilder(small, data, jit_compile=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vae", "language_model"])
def test_what_is_written_follows_the_label(builder, data, kind):
    keras.utils.set_random_seed(1)
    if kind == "vae":
        model = builder.vae([Reconstruction(), KL()])
    else:
        model = builder.language_model()
    assert model.label_names == ("x", "y") and model.condition.num_labels == 2
    model.fit(data, epochs=120, verbose=0)
    for label, words in (("x", {"a", "b"}), ("y", {"c", "d"})):
        texts = model.generate(30, label=label, max_length=4)
        found = {word for text in texts for word in text.split()}
        assert found == words
        assert texts[:7] == model.generate(7, label=label, max_length=4)


def test_transfer_writes_with_the_wanted_label(builder, data):
    keras.utils.set_random_seed(1)
    model = tfvae.presets.dae_transfer(builder, decoder_per_label=True)
    model.fit(data, epochs=120, verbose=0)
    texts = [row["text"] for row in ROWS]
    found = model.transfer(texts, "y", max_length=6)
    assert {word for text in found for word in text.split()} == {"c", "d"}
    # With its own label each is written back, which the mode of the code suffices for.
    assert model.transfer(texts, ["x", "x", "y", "y"], max_length=6) == texts
    cut = model.transfer("d d c", "y", max_length=6, max_read=1)
    assert cut == model.transfer("d", "y", max_length=6)
    assert model.transfer([], []) == []
    with pytest.raises(ValueError, match="must be one of x, y. Received: 'z'"):
        model.transfer(texts, "z")
    with pytest.raises(ValueError, match="one for each. Received: 1 labels, 4 sent"):
        model.transfer(texts, ["x"])


def test_what_cannot_transfer_says_so(builder):
    with pytest.raises(ValueError, match="posterior of this model reads the label"):
        builder.vae([Reconstruction(), KL()]).transfer("a", "x")
    with pytest.raises(ValueError, match="has no latent"):
        require_transfer(builder.language_model())
    with pytest.raises(ValueError, match="reads nothing beside the sentence"):
        require_transfer(make_vae())


def test_names_are_saved_with_the_model(builder, tmp_path):
    model = builder.vae([Reconstruction(), KL()])
    model.save(tmp_path / "m.keras")
    again = tfvae.load_model(tmp_path / "m.keras")
    assert again.label_names == ("x", "y") and again.label_number("y") == 1


def test_labels_are_taken_or_refused(builder, data):
    model = builder.vae([Reconstruction(), KL()])
    with pytest.raises(ValueError, match="Give `label` .*one of x, y"):
        model.generate(1)
    with pytest.raises(ValueError, match="must be one of x, y. Received: 'z'"):
        model.generate(1, label="z")
    with pytest.raises(ValueError, match="reads no labels.*Received: label='x'"):
        make_vae().generate(1, label="x", return_ids=True)
    with pytest.raises(ValueError, match="num_labels=3, labels: x, y"):
        tfvae.ModelBuilder("ivae", data, num_labels=3)
