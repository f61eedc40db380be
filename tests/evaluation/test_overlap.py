import math

import numpy as np
import pytest
from nltk.metrics.distance import edit_distance
from nltk.translate.bleu_score import corpus_bleu

from tfvae.evaluation.overlap import bleu, bleu_single_order, edit_distances

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
    assert found["bleu_4"] == pytest.approx(0.0, abs=1e-30)


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
