import collections
import math

import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy import stats

from tfvae.evaluation import text_metrics

SENTENCES = [["a", "b", "a", "b"], ["a", "b"], ["c"], []]


def test_distinct_stays_within_sentences():
    assert text_metrics.distinct(SENTENCES, 1) == pytest.approx(3 / 7)
    # ab, ba, ab and ab.
    assert text_metrics.distinct(SENTENCES, 2) == pytest.approx(2 / 4)
    assert text_metrics.distinct([["a"]], 2) == 0.0


def test_pooled_distinct_crosses_borders_and_counts_words():
    assert text_metrics.distinct_pooled(SENTENCES, 1) == pytest.approx(3 / 7)
    # ab, ba, ab, ba, ab, bc: three different ones over seven words.
    assert text_metrics.distinct_pooled(SENTENCES, 2) == pytest.approx(3 / 7)
    assert text_metrics.distinct_pooled([[]], 2) == 0.0


def test_self_bleu_is_the_mean_against_the_others():
    a, b, c = "w x y z v".split(), "w x y z".split(), "q x y z u w".split()
    method = SmoothingFunction().method1
    expected = [
        sentence_bleu([b, c], a, smoothing_function=method),
        sentence_bleu([a, c], b, smoothing_function=method),
        sentence_bleu([a, b], c, smoothing_function=method),
    ]
    assert text_metrics.self_bleu([a, [], b, c]) == pytest.approx(sum(expected) / 3)
    assert text_metrics.self_bleu([a, a, a]) == pytest.approx(1.0)


def test_entropy_and_divergence_of_words():
    counts = text_metrics.count_words([["a", "b", "b"], ["b"]])
    reference = collections.Counter(a=2, b=4, c=4)
    assert text_metrics.entropy(counts) == pytest.approx(stats.entropy([1, 3]))
    divergence, skipped = text_metrics.unigram_kl(counts, reference)
    expected = 0.25 * math.log(0.25 / 0.2) + 0.75 * math.log(0.75 / 0.4)
    assert divergence == pytest.approx(expected)
    assert skipped == 0.0


def test_divergence_skips_words_that_the_reference_lacks():
    divergence, skipped = text_metrics.unigram_kl({"a": 1, "z": 3}, {"a": 1, "b": 1})
    assert divergence == pytest.approx(0.25 * math.log(0.25 / 0.5))
    assert skipped == 0.75


@pytest.mark.parametrize("n", [1, 2])
def test_refuses_an_empty_set(n):
    with pytest.raises(ValueError, match="must not be empty"):
        text_metrics.distinct([], n)
    with pytest.raises(ValueError, match="must not be empty"):
        text_metrics.distinct_pooled([], n)


def test_refuses_to_compare_a_single_sentence():
    with pytest.raises(ValueError, match="Received: 1"):
        text_metrics.self_bleu([["a"], []])


def test_refuses_statistics_of_no_word():
    with pytest.raises(ValueError, match="no word"):
        text_metrics.entropy({})
    with pytest.raises(ValueError, match="no word"):
        text_metrics.unigram_kl({"a": 1}, {})
