import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tfvae.evaluation import scored_samples
from tfvae.evaluation.scored_samples import language_model_perplexity
from tfvae.models import LanguageModel
from tfvae.text import WordTokenizer

WORDS = list("abcdefg")


def make_model(**options):
    tokenizer = WordTokenizer(vocabulary=WORDS)
    decoder = support.make_decoder(inject=())
    return LanguageModel(decoder, **{"tokenizer": tokenizer} | options)


def test_is_a_ratio_of_sums_in_any_batches(monkeypatch):
    monkeypatch.setattr(scored_samples, "_BATCH_SIZE", 2)
    model, done = make_model(), []
    texts = ["a b c", "", "d zebra", "a b c d e f g a b c d", "g"]

    class Bar:
        update = staticmethod(done.append)

    result = language_model_perplexity(model, texts, Bar())
    tokens = model.tokenizer.tokenize(tf.constant(texts)).to_tensor(0)
    costs = -model.decoder.log_prob(tokens, tf.zeros([1, 5, 0]))[0].numpy()
    assert result["num_tokens_language_model"] == 17 + 5
    expected = np.exp(costs.sum() / 22)
    assert result["language_model_perplexity"] == pytest.approx(expected, rel=1e-5)
    assert done == [2, 4, 5]


def test_empty_sentences_are_their_ends():
    result = language_model_perplexity(make_model(), ["", ""])
    assert result["num_tokens_language_model"] == 2


def test_refuses_no_text():
    with pytest.raises(ValueError, match="no text"):
        language_model_perplexity(make_model(), [])


def test_refuses_a_model_with_a_latent_or_without_a_tokenizer():
    with pytest.raises(ValueError, match="Received: VAE"):
        language_model_perplexity(support.make_vae(), ["a"])
    with pytest.raises(ValueError, match="tokenizer=None"):
        language_model_perplexity(make_model(tokenizer=None), ["a"])
