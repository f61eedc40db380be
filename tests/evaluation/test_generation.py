import collections
import math
import types

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests import support
from tfvae.evaluation import generation
from tfvae.evaluation.generation import generation_quality, language_model_perplexity
from tfvae.evaluation.ngram import NgramModel
from tfvae.models import LanguageModel
from tfvae.samplers.sampler import Greedy
from tfvae.text import WordTokenizer

VOCABULARY = ["a", "b", "c", "d", "e"]
TRAIN = ["a b c", "a b d", "b c a d", "A bird a", "d a b"]
TEST = ["a b", "c d zebra"]
DRAWN = ["a b c", "a b", "", "d <unk> b"]
GREEDY = ["a <unk>", "a b"]
MASKED = ["a b b", "a b b", "c"]


class Parrot:
    """Writes fixed sentences, others for each way of writing."""

    requires = ()
    condition = None

    def __init__(self, drawn=DRAWN, greedy=GREEDY, posterior="a latent"):
        self.tokenizer = WordTokenizer(vocabulary=VOCABULARY, lowercase=True)
        self.posterior = posterior
        self.drawn, self.greedy = drawn, greedy
        self.lengths = []

    def sample_prior(self, num, seed, context=None):
        return tf.zeros([num, 1])

    def compiled_function(self, key, function, *specs):
        return tf.function(function, input_signature=specs)

    def decode_ids(self, z, sampler, max_length, seed, context=None):
        return self.generate_ids(tf.shape(z)[0], sampler, max_length, seed)

    def generate_ids(self, num, sampler, max_length, seed, context=None):
        self.lengths.append(max_length)
        texts = self.drawn
        if isinstance(sampler, Greedy):
            texts = self.greedy if sampler.allow_unknown else MASKED
        ids = self.tokenizer.tokenize(tf.constant(texts)).to_tensor(0)
        return tf.tile(ids, [num // len(texts) + 1, 1])[:num]


def quality(model=None, train=TRAIN, test=TEST, **options):
    counts = {"num_generated": 4, "num_distinct": 3, "num_self_bleu": 2, "num_ivae": 2}
    return generation_quality(
        model or Parrot(), lambda: iter(train), lambda: iter(test), **counts | options
    )


@pytest.fixture(scope="module")
def result():
    return quality()


def nats(model, texts, count_end):
    """Adds up what an n-gram model says, a word at a time."""
    total = count = 0
    for text in texts:
        words = ["<s>", *text.split(), "</s>"]
        for i in range(1, len(words) - (not count_end)):
            total -= math.log(model.probability(words[i], words[:i]))
            count += 1
    return math.exp(total / count), count


def read(texts):
    return [
        " ".join(w if w in VOCABULARY else "<unk>" for w in text.lower().split())
        for text in texts
    ]


def test_forward_and_reverse_perplexity(result):
    of_train = NgramModel.fit(read(TRAIN), 5, vocabulary=VOCABULARY)
    of_drawn = NgramModel.fit(DRAWN, 5, vocabulary=VOCABULARY)
    forward, num_forward = nats(of_train, DRAWN, count_end=True)
    reverse, num_reverse = nats(of_drawn, read(TEST), count_end=True)
    assert result["forward_perplexity"] == pytest.approx(forward)
    assert result["num_tokens_forward"] == num_forward == 8 + 4
    assert result["reverse_perplexity"] == pytest.approx(reverse)
    assert result["num_tokens_reverse"] == num_reverse == 5 + 2
    assert result["ngram_order"] == 5


def test_perplexities_of_the_ivae(result):
    train = [text.replace("<unk>", "") for text in read(TRAIN)]
    of_train = NgramModel.fit([*VOCABULARY, *train], 5)
    of_greedy = NgramModel.fit([*VOCABULARY, "a", "a b"], 5)
    forward, num_forward = nats(of_train, GREEDY, count_end=False)
    reverse, num_reverse = nats(of_greedy, read(TRAIN), count_end=False)
    assert result["forward_perplexity_ivae"] == pytest.approx(forward)
    assert result["reverse_perplexity_ivae"] == pytest.approx(reverse)
    assert result["num_words_forward_ivae"] == num_forward == 4
    assert result["num_words_reverse_ivae"] == num_reverse == 16
    assert result["num_samples_ivae"] == 2


def test_statistics_of_words(result):
    counts = collections.Counter(" ".join(DRAWN).split())
    assert result["average_length"] == 8 / 4
    assert result["num_words_generated"] == 8
    assert result["num_empty_generated"] == 1
    assert result["num_samples_generated"] == 4
    assert result["unigram_entropy"] == pytest.approx(
        stats.entropy(list(counts.values()))
    )
    of_train = collections.Counter(" ".join(read(TRAIN)).split())
    words = sorted(counts)
    expected = stats.entropy([counts[w] for w in words], [of_train[w] for w in words])
    assert set(of_train) == set(words)
    assert result["unigram_kl"] == pytest.approx(expected)
    assert result["unigram_kl_skipped"] == 0.0


def test_variety(result):
    # The first three: a b c, a b and nothing.
    assert result["distinct_1"] == 3 / 5
    assert result["distinct_2"] == 2 / 3
    assert result["distinct_wae_2"] == 3 / 5
    assert result["num_samples_distinct"] == 3
    # Three different words of seven, ab and bb of four pairs.
    assert result["distinct_coupled_1"] == pytest.approx(3 / 7)
    assert result["distinct_coupled_2"] == pytest.approx(2 / 4)
    assert result["num_samples_distinct_coupled"] == 3
    assert result["num_samples_self_bleu"] == 2
    assert 0 < result["self_bleu"] < 1


def test_lengths_of_the_protocols():
    model = Parrot()
    quality(model, max_length=33)
    assert model.lengths == [33, 33, 80]


def test_share_of_sentences_that_are_cut():
    class Talker(Parrot):
        def generate_ids(self, num, sampler, max_length, seed, context=None):
            rows = [[4, 5, 2], [4, 5, 6], [2, 0, 0], [4, 2, 0]]
            return tf.tile(tf.constant(rows), [num // 4 + 1, 1])[:num]

    result = quality(Talker(posterior=None), num_generated=6)
    # The second sentence, which comes twice.
    assert result["generated_cut_share"] == 2 / 6
    assert result["average_length"] == (2 + 3 + 0 + 1 + 2 + 3) / 6


def test_without_a_latent_nothing_is_decoded_greedily():
    result = quality(Parrot(posterior=None))
    assert not [key for key in result if "ivae" in key or "coupled" in key]
    assert "greedy" in result["notes"][0]


def test_sentences_of_unknown_words_only_leave_metrics_out():
    result = quality(Parrot(drawn=["<unk>", ""], greedy=["<unk>"]))
    assert "forward_perplexity" not in result
    assert "reverse_perplexity_ivae" not in result
    assert result["distinct_1"] == 1 / 2
    assert len(result["notes"]) == 2


def test_another_language_model_scores_the_sentences():
    decoder = support.make_decoder(conditioning=())
    tokenizer = WordTokenizer(vocabulary=[*VOCABULARY, "x", "y"])
    model = LanguageModel(decoder, tokenizer=tokenizer)
    result = quality(Parrot(posterior=None), language_model=model)
    tokens = tokenizer.tokenize(tf.constant(DRAWN)).to_tensor(0)
    costs = -decoder.log_prob(tokens, tf.zeros([1, 4, 0]))[0].numpy()
    assert result["num_tokens_language_model"] == 12
    expected = np.exp(costs.sum() / 12)
    assert result["language_model_perplexity"] == pytest.approx(expected, rel=1e-5)


def test_reports_progress(monkeypatch):
    monkeypatch.setattr(generation, "BATCH_SIZE", 2)
    calls = []

    def progress(total, unit_name):
        return types.SimpleNamespace(update=lambda n: calls.append((n, total)))

    quality(Parrot(posterior=None), num_generated=5, progress=progress)
    assert calls == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    "name", ["num_generated", "num_distinct", "num_self_bleu", "num_ivae"]
)
def test_refuses_counts(name):
    with pytest.raises(ValueError, match=f"{name}=0"):
        quality(**{name: 0})


@pytest.mark.parametrize("role", ["train", "test"])
@pytest.mark.parametrize("texts", [[], ["zebra", "yak <unk>"]])
def test_refuses_texts_of_unknown_words(role, texts):
    model = Parrot(posterior=None)
    with pytest.raises(ValueError, match=f"`{role}_texts` must hold a word"):
        quality(model, **{role: texts})
    # Before hours of work.
    assert not model.lengths


def test_refuses_a_language_model_with_a_latent():
    model = Parrot(posterior=None)
    with pytest.raises(ValueError, match="`language_model` must be"):
        quality(model, language_model=support.make_vae())
    assert not model.lengths


WORDS = list("abcdefg")


def make_model(**options):
    tokenizer = WordTokenizer(vocabulary=WORDS)
    decoder = support.make_decoder(conditioning=())
    return LanguageModel(decoder, **{"tokenizer": tokenizer} | options)


def test_is_a_ratio_of_sums_in_any_batches(monkeypatch):
    monkeypatch.setattr(generation, "_SCORING_BATCH_SIZE", 2)
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
