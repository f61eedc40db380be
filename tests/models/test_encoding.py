import itertools

import numpy as np
import pytest

from tests.support import make_decoder, make_vae
from tfvae.models import LanguageModel
from tfvae.models.inputs import tokenize
from tfvae.models.writing import encode
from tfvae.text import WordTokenizer

TEXTS = ["a b", "c", "d e f", "g", "a"]


@pytest.fixture
def model():
    return make_vae(tokenizer=WordTokenizer(vocabulary=list("abcdefg")))


def test_points_come_in_order(model):
    batches = list(encode(model, iter(TEXTS), batch_size=2))
    assert [len(texts) for texts, _ in batches] == [2, 2, 1]
    assert [text for texts, _ in batches for text in texts] == TEXTS
    found = np.concatenate([codes for _, codes in batches])
    for text, code in zip(TEXTS, found, strict=True):
        params = model.posterior_params(tokenize(model, [text]))
        np.testing.assert_allclose(code, params["loc"][0], atol=1e-6)


def test_samples_are_the_posteriors(model):
    ((_, codes),) = encode(model, TEXTS, num_samples=3000, seed=1)
    assert codes.shape == (3000, 5, 2)
    params = model.posterior_params(tokenize(model, TEXTS))
    loc, scale = params["loc"].numpy(), np.exp(params["log_variance"].numpy() / 2)
    error = scale / np.sqrt(3000)
    assert (abs(codes.mean(0) - loc) < 4 * error).all()
    assert (abs(codes.std(0) - scale) < 4 * error).all()


def test_draws_follow_the_seed_and_differ_between_batches(model):
    def drawn(seed):
        batches = encode(model, ["a"] * 4, num_samples=1, seed=seed, batch_size=2)
        return np.concatenate([codes[0] for _, codes in batches])

    assert (drawn(1) == drawn(1)).all()
    assert len(np.unique(np.concatenate([drawn(1), drawn(2)]), axis=0)) == 8


def test_reads_no_further_than_asked(model):
    endless = itertools.repeat("a b")
    assert len(list(itertools.islice(encode(model, endless), 3))) == 3


def test_errors(model):
    with pytest.raises(ValueError, match="num_samples=0"):
        next(encode(model, TEXTS, num_samples=0))
    with pytest.raises(ValueError, match="needs words. Received: ' '"):
        next(encode(model, [" "]))
    language_model = LanguageModel(
        make_decoder(conditioning=()),
        tokenizer=WordTokenizer(vocabulary=list("abcdefg")),
    )
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        next(encode(language_model, TEXTS))
    with pytest.raises(ValueError, match="needs a tokenizer"):
        next(encode(make_vae(), TEXTS))
