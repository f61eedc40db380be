"""Metrics of texts against NLTK, SciPy and counts by hand."""

import collections
import math

import numpy as np
import pytest
from nltk.metrics.distance import edit_distance
from nltk.translate import bleu_score as nltk_bleu
from nltk.translate.bleu_score import corpus_bleu
from scipy import stats

from tfvae.evaluation import text_metrics
from tfvae.evaluation.text_metrics import (
    bleu,
    bleu_known,
    bleu_single_order,
    edit_distances,
    sentence_bleu,
    sentence_bleu_method7,
)
from tfvae.ops.sequences import UNK_ID

REFERENCES = [[4, 5, 6, 7, 8], [4, 5, 4, 5], [9, 9, 9, 8, 7, 6]]
HYPOTHESES = [[4, 5, 6, 7, 9], [4, 4, 4, 5], [9, 9, 9, 8]]


def test_bleu_is_cumulative():
    found = bleu(REFERENCES, HYPOTHESES)
    pairs = [[reference] for reference in REFERENCES], HYPOTHESES
    for key, weights in {
        "bleu_1": (1,),
        "bleu_2": (0.5, 0.5),
        "bleu_3": (1 / 3, 1 / 3, 1 / 3),
        "bleu_4": (0.25,) * 4,
        "bleu_wae_3": (0.34, 0.33, 0.33),
    }.items():
        assert found[key] == pytest.approx(corpus_bleu(*pairs, weights=weights))


def test_bleu_of_no_match_is_zero_without_a_warning():
    found = bleu([[4, 5, 6], [7]], [[4, 6, 8], []])
    # Two of three words match, and the empty sentence counts as one that does not.
    assert found["bleu_1"] == pytest.approx(math.exp(1 - 4 / 3) * 2 / 4)
    assert found["bleu_4"] == 0.0


def test_an_unknown_word_matches_nothing(rng):
    rows = rng.integers(UNK_ID, 7, (2, 30, 9))
    # Half of the words are the reference's.
    rows[1] = np.where(rng.random((30, 9)) < 0.5, *rows)
    references, hypotheses = rows.tolist()
    apart = [
        [[f"{side}<unk>" if i == UNK_ID else str(i) for i in row] for row in rows]
        for side, rows in enumerate((references, hypotheses))
    ]
    found = bleu_known(references, hypotheses)
    pairs = [[reference] for reference in apart[0]], apart[1]
    assert list(found) == [f"bleu_known_{n}" for n in (1, 2, 3, 4)]
    for n, value in enumerate(found.values(), 1):
        assert value == pytest.approx(corpus_bleu(*pairs, weights=(1 / n,) * n))
        assert 0 < value < bleu(references, hypotheses)[f"bleu_{n}"]


def test_single_order_by_hand():
    # Words that match: 4 of 5, 3 of 4 (the fourth 4 is clipped) and 4 of 4.
    brevity = math.exp(1 - 15 / 13)
    found = bleu_single_order(REFERENCES, HYPOTHESES, 1)
    assert found == pytest.approx(brevity * 11 / 13)
    # Pairs: 45, 56, 67 of 4; 45 of 3; 99, 99, 98 of 3.
    found = bleu_single_order(REFERENCES, HYPOTHESES, 2)
    assert found == pytest.approx(brevity * 7 / 10)


def test_single_order_has_no_penalty_for_length():
    assert bleu_single_order([[4, 5]], [[4, 5, 6, 7]], 1) == pytest.approx(0.5)


def test_single_order_of_short_sentences():
    assert bleu_single_order([[4], [4, 5]], [[4], [4, 5]], 2) == 1.0
    assert bleu_single_order([[4], [5]], [[4], []], 2) == 0.0


def test_edit_distances_are_nltks(rng):
    references, hypotheses = np.zeros((2, 60, 9), int)
    for row in (*references, *hypotheses):
        size = rng.integers(0, 10)
        row[:size] = rng.integers(4, 7, size)
    found = edit_distances(references, hypotheses[:, :8])
    for one, other, distance in zip(references, hypotheses[:, :8], found, strict=True):
        assert distance == edit_distance(
            one[one > 0].tolist(), other[other > 0].tolist()
        )


@pytest.mark.parametrize("hypotheses", [[], [[4], [5]]])
def test_refuses_other_numbers(hypotheses):
    with pytest.raises(ValueError, match="Received: . hypotheses"):
        bleu([[4]], hypotheses)
    with pytest.raises(ValueError, match="Received: . hypotheses"):
        bleu_single_order([[4]], hypotheses, 1)


def _random_pairs(num):
    rng = np.random.default_rng(3)
    for _ in range(num):
        yield tuple(
            rng.choice(list("abcde"), size=rng.integers(1, 9)).tolist()
            for _ in range(2)
        )


@pytest.mark.parametrize(
    ("function", "weights", "method"),
    [
        (sentence_bleu, (0.25,) * 4, "method2"),
        (sentence_bleu_method7, (1 / 3,) * 3, "method7"),
    ],
)
def test_smoothed_bleu_of_a_sentence_is_that_of_nltk(function, weights, method):
    smoothing = getattr(nltk_bleu.SmoothingFunction(), method)
    scores = []
    for reference, hypothesis in _random_pairs(500):
        expected = nltk_bleu.sentence_bleu(
            [reference], hypothesis, weights, smoothing_function=smoothing
        )
        scores.append(function(reference, hypothesis))
        assert scores[-1] == pytest.approx(float(expected), abs=1e-12)
    assert min(scores) == 0 < max(scores)
    assert function(["a"], []) == 0


def test_smoothed_bleu_by_hand():
    # Two of three words, one of two pairs, no triple; as long as the reference.
    reference, hypothesis = "a b c".split(), "a b d".split()
    expected = (2 / 3 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25
    assert sentence_bleu(reference, hypothesis) == pytest.approx(expected)
    third = np.log(3) / 10
    first = (2 / 3 + 1 + 2 / 3 + 1 / 2) / 3
    second = (first + 1 / 2 + third) / 3
    expected = (first * second * (second + third) / 3) ** (1 / 3)
    assert sentence_bleu_method7(reference, hypothesis) == pytest.approx(expected)


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
    method = nltk_bleu.SmoothingFunction().method1
    expected = [
        nltk_bleu.sentence_bleu([b, c], a, smoothing_function=method),
        nltk_bleu.sentence_bleu([a, c], b, smoothing_function=method),
        nltk_bleu.sentence_bleu([a, b], c, smoothing_function=method),
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
