"""How near sentences come to their references: BLEU, exact match, edits."""

import collections
import warnings

import numpy as np
from nltk.translate.bleu_score import brevity_penalty, corpus_bleu

# Weights of 1-grams, 2-grams and so on.
BLEU_WEIGHTS = {
    "bleu_1": (1.0,),
    "bleu_2": (1 / 2,) * 2,
    "bleu_3": (1 / 3,) * 3,
    "bleu_4": (1 / 4,) * 4,
    "bleu_wae_3": (0.34, 0.33, 0.33),
}


def bleu(references, hypotheses):
    """Computes corpus BLEU by NLTK, without smoothing.

    Args:
        references: List of lists of words, one reference a hypothesis.
        hypotheses: List of lists of words.

    Returns:
        Dict of floats from 0 to 1, one for each of `BLEU_WEIGHTS`.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.

    References:
        Papineni et al. 2002. In NLTK a sentence shorter than `n` counts as one n-gram
        without a match.
    """
    _check(references, hypotheses)
    with warnings.catch_warnings():
        # NLTK warns where nothing matches, which 0 says too.
        warnings.filterwarnings("ignore", module=r"nltk\.", category=UserWarning)
        scores = corpus_bleu(
            [[reference] for reference in references],
            hypotheses,
            list(BLEU_WEIGHTS.values()),
        )
    return dict(zip(BLEU_WEIGHTS, map(float, scores), strict=True))


def bleu_single_order(references, hypotheses, n):
    """Computes the precision of n-grams of one order times the brevity penalty.

    That is not BLEU-n, which takes the geometric mean over orders up to `n`. Here,
    a sentence shorter than `n` counts nothing.

    Args:
        references: List of lists of words, one reference a hypothesis.
        hypotheses: List of lists of words.
        n: Positive int.

    Returns:
        Float from 0 to 1.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.

    References:
        Wu et al. 2020, On the Encoder-Decoder Incompatibility, table 2, whose numbers
        are these times 100.
    """
    _check(references, hypotheses)
    matches = total = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        grams = _count(hypothesis, n)
        matches += (grams & _count(reference, n)).total()
        total += grams.total()
    lengths = [sum(map(len, side)) for side in (references, hypotheses)]
    return brevity_penalty(*lengths) * matches / total if matches else 0.0


def edit_distances(references, hypotheses):
    """Counts the words to insert, delete or replace, for each pair of sentences.

    Args:
        references: Int array `[B, T]`, padded.
        hypotheses: Int array `[B, U]`, padded by the same id.

    Returns:
        Int64 array `[B]`.

    References:
        Wagner and Fischer 1974, a row at a time for all pairs at once: insertions
        along a row are a running minimum of costs less their place.
    """
    references, hypotheses = np.asarray(references), np.asarray(hypotheses)
    lengths = (references != 0).sum(1), (hypotheses != 0).sum(1)
    place = np.arange(hypotheses.shape[1] + 1)
    rows = [np.tile(place, (len(references), 1))]
    for index in range(references.shape[1]):
        replaced = rows[-1][:, :-1] + (references[:, index, None] != hypotheses)
        row = rows[-1] + 1
        row[:, 1:] = np.minimum(row[:, 1:], replaced)
        rows.append(np.minimum.accumulate(row - place, axis=1) + place)
    return np.stack(rows)[lengths[0], np.arange(len(references)), lengths[1]]


def _count(words, n):
    grams = zip(*(words[i:] for i in range(n)), strict=False)
    return collections.Counter(grams)


def _check(references, hypotheses):
    if not hypotheses or len(references) != len(hypotheses):
        raise ValueError(
            "`hypotheses` must hold a sentence for each reference, at least one. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} references"
        )
