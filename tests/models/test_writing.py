import keras
import numpy as np
import pytest

from tests.support import make_decoder, make_vae
from tfvae.models import LanguageModel
from tfvae.models.sampling import Ancestral
from tfvae.models.writing import interpolate, reconstruct, tokenize, write
from tfvae.text import WordTokenizer

WORDS = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.fixture
def model():
    return make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))


@pytest.fixture
def language_model():
    tokenizer = WordTokenizer(vocabulary=WORDS)
    return LanguageModel(make_decoder(inject=()), tokenizer=tokenizer)


def texts_of(model, ids):
    return [text.decode("utf-8") for text in model.tokenizer.detokenize(ids).numpy()]


def test_tokenize_pads_and_cuts(model):
    assert tokenize(model, ["a c", "x"])["tokens"].numpy().tolist() == [[4, 6], [3, 0]]
    cut = tokenize(model, ["a b c d", "e"], max_length=2)["tokens"]
    assert cut.numpy().tolist() == [[4, 5], [8, 0]]
    with pytest.raises(ValueError, match="needs words. Received: '  '"):
        tokenize(model, ["a", "  "])


@pytest.mark.parametrize("name", ["model", "language_model"])
def test_write_counts_and_follows_its_seed(name, request):
    model = request.getfixturevalue(name)
    sampler = Ancestral(allow_unknown=False)

    def written(num, seed):
        found = write(
            model, num, sampler=sampler, max_length=4, seed=seed, batch_size=3
        )
        return list(found)

    found = written(7, 1)
    assert len(found) == 7
    assert {word for text in found for word in text.split()} <= set(WORDS)
    assert written(5, 1) == found[:5]
    assert written(7, 2) != found
    # Batches are not copies of each other.
    assert found[:3] != found[3:6]
    with pytest.raises(ValueError, match="`num` must be positive. Received: num=0"):
        written(0, 1)


def test_reconstruct_decodes_the_point_of_each_sentence(model):
    texts = ["a b", "c", "d e f", "g", "a"]
    pairs = list(reconstruct(model, texts, max_length=5, batch_size=2))
    assert [text for text, _ in pairs] == texts
    for text, again in pairs:
        z = model.posterior.point(model.encode(tokenize(model, [text])))
        assert [again] == texts_of(model, model.decode(z, max_length=5))


def test_interpolate_goes_straight_from_one_to_the_other(model):
    found = interpolate(model, "a b", "c", num_steps=3, max_length=5)
    assert [fraction for fraction, _ in found] == [0.0, 0.5, 1.0]
    first, last = model.posterior.point(model.encode(tokenize(model, ["a b", "c"])))
    z = np.stack([first, (first + last) / 2, last])
    expected = texts_of(model, model.decode(z, max_length=5))
    assert [text for _, text in found] == expected
    with pytest.raises(ValueError, match="`num_steps` must be at least 2.*=1"):
        interpolate(model, "a", "b", num_steps=1)


def test_the_tokenizer_is_saved_with_the_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.tokenizer.vocabulary == model.tokenizer.vocabulary
    texts = ["a b", "g f e"]
    assert list(reconstruct(loaded, texts)) == list(reconstruct(model, texts))


def test_needs_a_tokenizer_and_a_latent(language_model):
    with pytest.raises(ValueError, match="needs a tokenizer.*tokenizer=None"):
        next(write(make_vae(), 1))
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        next(reconstruct(language_model, ["a"]))
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        interpolate(language_model, "a", "b")
