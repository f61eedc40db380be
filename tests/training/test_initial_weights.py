import dataclasses

import numpy as np
import pytest

from tests.support import make_vae
from tfvae import load_word_vectors, presets
from tfvae.text import Batches
from tfvae.training import load_model, train

TEXTS = ["a b a", "b c"]


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("b 1 2 3 4 5 6\nz 0 0 0 0 0 0\na 6 5 4 3 2 1\n")
    return path


def make_model(embedding_dim=6, name="vae"):
    batches = Batches(TEXTS, batch_size=2)
    setting = dataclasses.replace(
        presets.SETTINGS["ivae"],
        embedding_dim=embedding_dim,
        encoder_dim=8,
        decoder_dim=8,
        latent_dim=3,
    )
    return getattr(presets, name)(setting, batches)


@pytest.mark.parametrize("name", ["vae", "language_model"])
def test_words_get_their_vectors(vectors, name):
    model = make_model(name=name)
    holders = [model.decoder] if name == "language_model" else [model.encoder]
    before = [np.array(each.embedding.get_weights()[0]) for each in holders]
    assert load_word_vectors(model, vectors) == 2
    row = model.tokenizer.vocabulary.index
    for holder, old in zip(holders, before, strict=True):
        (table,) = holder.embedding.get_weights()
        np.testing.assert_array_equal(table[row("b")], [1, 2, 3, 4, 5, 6])
        np.testing.assert_array_equal(table[row("a")], [6, 5, 4, 3, 2, 1])
        others = [row(word) for word in ("<pad>", "<unk>", "<s>", "</s>", "c")]
        np.testing.assert_array_equal(table[others], old[others])


def test_encoder_and_decoder_alike(vectors):
    model = make_model()
    load_word_vectors(model, vectors)
    row = model.tokenizer.vocabulary.index("b")
    for holder in (model.encoder, model.decoder):
        assert holder.embedding.get_weights()[0][row].tolist() == [1, 2, 3, 4, 5, 6]


def test_another_width(vectors):
    model = make_model(embedding_dim=5)
    before = model.encoder.embedding.get_weights()[0]
    with pytest.raises(ValueError, match="6 numbers for embeddings of 5.*dim=6"):
        load_word_vectors(model, vectors)
    np.testing.assert_array_equal(before, model.encoder.embedding.get_weights()[0])


def test_no_words(vectors):
    with pytest.raises(ValueError, match="Make the model with a `tokenizer`"):
        load_word_vectors(make_vae(), vectors)


@pytest.mark.parametrize("frozen", [None, "embedding"])
def test_a_run_begins_with_them(tmp_path, configuration, texts, frozen, eagerly):
    few = {"max_length": 6, "too_long": "truncate"}
    word = Batches(texts["train"], **few).tokenizer.vocabulary[5]
    path = tmp_path / "vectors.txt"
    path.write_text(f"{word} 1 2 3 4 5 6\n")
    told = []
    few |= {"epochs": 1, "batch_size": 20}
    made = configuration(word_vectors=str(path), freeze=frozen, **few)
    model = load_model(train(made, tmp_path / "run", verbose=0, log=told.append).path)
    size = len(model.tokenizer.vocabulary)
    assert f"{path}: vectors for 1 of the {size} words" in told[-1]
    for holder in (model.encoder, model.decoder):
        change = holder.embedding.get_weights()[0][5] - np.arange(1, 7)
        # Two steps of Adam leave a trained word near where it began.
        assert np.abs(change).max() < 0.04
        assert np.any(change) == (frozen is None)
