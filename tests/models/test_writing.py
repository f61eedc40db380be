import itertools

import keras
import numpy as np
import pytest

from tests.support import make_decoder, make_vae
from tfvae.models import LanguageModel
from tfvae.models.inputs import tokenize
from tfvae.models.writing import (
    aggregate_codes,
    generate,
    posterior_codes,
    reconstruct,
)
from tfvae.samplers.sampler import Ancestral
from tfvae.text import WordTokenizer

WORDS = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.fixture
def model():
    return make_vae(tokenizer=WordTokenizer(vocabulary=WORDS))


@pytest.fixture
def language_model():
    tokenizer = WordTokenizer(vocabulary=WORDS)
    return LanguageModel(make_decoder(conditioning=()), tokenizer=tokenizer)


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
        found = generate(
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
    with pytest.raises(ValueError, match="must be positive. Received: num=0"):
        written(0, 1)


def test_reconstruct_decodes_the_point_of_each_sentence(model):
    texts = ["a b", "c", "d e f", "g", "a"]
    pairs = list(reconstruct(model, texts, max_length=5, batch_size=2))
    assert [text for text, _ in pairs] == texts
    for text, again in pairs:
        z = model.posterior.mode(model.posterior_params(tokenize(model, [text])))
        assert [again] == texts_of(model, model.decode_ids(z, max_length=5))


def test_reconstruct_decodes_samples_one_after_the_other(model):
    narrow(model, scale=1e-4)
    texts = ["a b", "c", "d e f"]
    options = {"num_samples": 2, "max_length": 5, "batch_size": 2}
    pairs = list(reconstruct(model, texts, **options))
    assert [text for text, _ in pairs] == ["a b", "a b", "c", "c", "d e f", "d e f"]
    # Draws of a narrow posterior are its point.
    points = dict(reconstruct(model, texts, max_length=5))
    assert all(again == points[text] for text, again in pairs)


def narrow(model, scale):
    """Spreads the posterior's means and sets its standard deviation."""
    heads = model.posterior.heads
    heads["loc"].kernel.assign(30.0 * heads["loc"].kernel)
    heads["log_variance"].kernel.assign(0.0 * heads["log_variance"].kernel)
    heads["log_variance"].bias.assign(0.0 * heads["log_variance"].bias)
    heads["log_variance"].bias.assign_add(
        np.full(heads["log_variance"].bias.shape, 2.0 * np.log(scale))
    )


def point_of(model, text):
    return model.posterior.mode(model.posterior_params(tokenize(model, [text])))[
        0
    ].numpy()


def test_posterior_codes_repeat_the_texts(model):
    narrow(model, scale=1e-4)
    texts = ["a b", "c", "d e f"]
    expected = np.stack([point_of(model, text) for text in texts] * 50)
    found = np.stack(list(itertools.islice(posterior_codes(model, texts), 150)))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_posterior_codes_have_the_posteriors_moments(model):
    narrow(model, scale=0.7)
    codes = np.stack(list(itertools.islice(posterior_codes(model, ["a b"]), 4000)))
    error = 0.7 / np.sqrt(4000)
    np.testing.assert_allclose(codes.mean(0), point_of(model, "a b"), atol=4.0 * error)
    np.testing.assert_allclose(codes.std(0), 0.7, atol=4.0 * error)


def test_aggregate_codes_draw_sentences_alike(model):
    narrow(model, scale=1e-4)
    texts = ["a b", "c", "d e f", "g g"]
    points = np.stack([point_of(model, text) for text in texts])
    codes = np.stack(list(itertools.islice(aggregate_codes(model, iter(texts)), 2000)))
    distances = np.abs(codes[:, None] - points).max(-1)
    assert (distances.min(1) < 1e-3).all()
    counts = np.bincount(distances.argmin(1), minlength=4)
    assert (abs(counts - 500) < 4 * np.sqrt(2000 * 0.25 * 0.75)).all()
    with pytest.raises(ValueError, match="must hold a sentence"):
        next(aggregate_codes(model, []))


def test_write_from_codes(model):
    codes = np.random.default_rng(0).normal(size=(7, 2)).astype("float32")
    found = list(generate(model, 7, sampler="greedy", codes=iter(codes), batch_size=3))
    assert found == texts_of(model, model.decode_ids(codes))


def test_the_tokenizer_is_saved_with_the_model(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.tokenizer.vocabulary == model.tokenizer.vocabulary
    texts = ["a b", "g f e"]
    assert list(reconstruct(loaded, texts)) == list(reconstruct(model, texts))


def test_needs_a_tokenizer_and_a_latent(language_model):
    with pytest.raises(ValueError, match="needs a tokenizer.*tokenizer=None"):
        next(generate(make_vae(), 1))
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        next(reconstruct(language_model, ["a"]))
