"""Metrics of texts without a model: how alike they are, how varied and how typical."""

import collections
import itertools
import math
import statistics
import warnings

import numpy as np

from tfvae.ops.sequences import EOS_ID, UNK_ID

# Weights of 1-grams, 2-grams and so on.
BLEU_WEIGHTS = {
    "bleu_1": (1.0,),
    "bleu_2": (1 / 2,) * 2,
    "bleu_3": (1 / 3,) * 3,
    "bleu_4": (1 / 4,) * 4,
    "bleu_wae_3": (0.34, 0.33, 0.33),
}


def count_cut(ids):
    """Counts the sentences that were cut before their `</s>`, of ids `[B, L]`."""
    return int(np.sum(~np.any(np.asarray(ids) == EOS_ID, axis=1)))


def bleu(references, hypotheses):
    """Computes corpus BLEU by NLTK, without smoothing.

    Args:
        references: List of lists of words, one reference per hypothesis.
        hypotheses: List of lists of words.

    Returns:
        Dict of floats from 0 to 1, one for each of `BLEU_WEIGHTS`.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.

    References:
        Papineni et al. 2002. In NLTK a sentence shorter than `n` counts as one n-gram
        without a match.
    """
    # Imported where it is used: that takes a second.
    from nltk.translate.bleu_score import corpus_bleu

    _check(references, hypotheses)
    with warnings.catch_warnings():
        # NLTK warns where nothing matches, which 0 says too.
        warnings.filterwarnings("ignore", module=r"nltk\.", category=UserWarning)
        scores = corpus_bleu(
            [[reference] for reference in references],
            hypotheses,
            list(BLEU_WEIGHTS.values()),
        )
    # Where no n-gram matches NLTK takes the smallest float in place of 0.
    scores = (float(score) if score > 1e-30 else 0.0 for score in scores)
    return dict(zip(BLEU_WEIGHTS, scores, strict=True))


def bleu_known(references, hypotheses):
    """Computes corpus BLEU as `bleu` does, without credit for `<unk>`.

    An `<unk>` of a reference and one of a hypothesis may be different words, so they
    do not match; both count as words.

    Args:
        references: List of lists of word ids, one reference per hypothesis.
        hypotheses: List of lists of word ids.

    Returns:
        Dict of floats from 0 to 1, `bleu_known_1` to `bleu_known_4`.

    Raises:
        ValueError: If there is no hypothesis, or the numbers differ.
    """
    # An id that no other side has.
    references = [
        [-1 if word == UNK_ID else word for word in words] for words in references
    ]
    scores = bleu(references, hypotheses)
    return {f"bleu_known_{n}": scores[f"bleu_{n}"] for n in (1, 2, 3, 4)}


def bleu_single_order(references, hypotheses, n):
    """Computes the precision of n-grams of one order times the brevity penalty.

    That is not BLEU-n, which takes the geometric mean over orders up to `n`. Here,
    a sentence shorter than `n` counts nothing.

    Args:
        references: List of lists of words, one reference per hypothesis.
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
    from nltk.translate.bleu_score import brevity_penalty

    _check(references, hypotheses)
    matches = total = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        grams = _count(hypothesis, n)
        matches += (grams & _count(reference, n)).total()
        total += grams.total()
    lengths = [sum(map(len, side)) for side in (references, hypotheses)]
    return brevity_penalty(*lengths) * matches / total if matches else 0.0


def sentence_bleu(reference, hypothesis):
    """Computes the BLEU-4 of a sentence, smoothed.

    One is added to the matches and to the n-grams of every order above the first.

    Args:
        reference: Sequence of words.
        hypothesis: Sequence of words.

    Returns:
        Float from 0 to 1; 0 where no word matches.

    References:
        Lin and Och 2004, ORANGE; Chen and Cherry 2014, A Systematic Comparison of
        Smoothing Techniques for Sentence-Level BLEU, technique 2. As in NLTK, a
        sentence shorter than `n` counts as one n-gram without a match.
    """
    (matches, total), *higher = (
        _matches(reference, hypothesis, n) for n in range(1, 5)
    )
    if not matches:
        return 0.0
    precisions = [matches / total, *((m + 1) / (t + 1) for m, t in higher)]
    return statistics.geometric_mean(precisions) * _brevity(reference, hypothesis)


def sentence_bleu_method7(reference, hypothesis):
    """Computes the smoothed BLEU-3 of a sentence that papers on dialogue report.

    Orders 1 to 3 count alike, though the papers speak of 4-grams. A precision of 0
    becomes `log(length) / (5 * 2 ** k)` matches, `k` the number of zeros up to it; then
    each precision is the mean of itself, the one below as smoothed and the one above.

    Args:
        reference: Sequence of words.
        hypothesis: Sequence of words.

    Returns:
        Float; 0 where no word matches. It may be above 1, since the smoothing takes the
        precision below the first to be one more than the first.

    References:
        Chen and Cherry 2014, technique 7, as `SmoothingFunction.method7` of NLTK has it
        since version 3.6 with the weights of Zhao et al. 2017, Learning Discourse-level
        Diversity: above the third order it takes the fifth. The papers ran an older
        NLTK, whose method 4 differs where a precision is 0.
    """
    counts = [_matches(reference, hypothesis, n) for n in (1, 2, 3, 5)]
    if not counts[0][0]:
        return 0.0
    precisions, num_zeros = [], 0
    for matches, total in counts[:3]:
        if not matches and len(hypothesis) > 1:
            num_zeros += 1
            matches = math.log(len(hypothesis)) / (5 * 2**num_zeros)
        precisions.append(matches / total)
    precisions.append(counts[3][0] / counts[3][1])
    below, smoothed = precisions[0] + 1, []
    for own, above in zip(precisions[:-1], precisions[1:], strict=True):
        below = (below + own + above) / 3
        smoothed.append(below)
    return statistics.geometric_mean(smoothed) * _brevity(reference, hypothesis)


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


def _matches(reference, hypothesis, n):
    """Counts n-grams of a hypothesis that a reference has, and all, at least 1."""
    grams = _count(hypothesis, n)
    return (grams & _count(reference, n)).total(), max(grams.total(), 1)


def _brevity(reference, hypothesis):
    return min(1.0, math.exp(1 - len(reference) / len(hypothesis)))


def _count(words, n):
    return collections.Counter(_ngrams(words, n))


def _check(references, hypotheses):
    if not hypotheses or len(references) != len(hypotheses):
        raise ValueError(
            "`hypotheses` must hold a sentence for each reference, at least one. "
            f"Received: {len(hypotheses)} hypotheses, {len(references)} references"
        )


def distinct(sentences, n):
    """Computes Dist-n: different n-grams as a share of all.

    N-grams are taken within sentences and pooled over all of them. The share falls
    with the number of sentences, so compare at equal numbers only.

    Args:
        sentences: Iterable of sequences of words.
        n: Positive int.

    Returns:
        Float from 0 to 1; 0 where there is no n-gram.

    Raises:
        ValueError: If there is no sentence.

    Example:
    >>> distinct([["a", "b", "a"], ["a", "b"]], 2)
    0.6666666666666666

    References:
        Li et al. 2016, A Diversity-Promoting Objective Function; Wu et al. 2020, over
        3,200 sentences.
    """
    grams = [gram for words in _some(sentences) for gram in _ngrams(words, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def distinct_pooled(sentences, n):
    """Computes Dist-n of one long text, as a share of its words.

    The sentences are joined, so n-grams cross their borders, and the number of
    different n-grams is divided by the number of words.

    Args:
        sentences: Iterable of sequences of words.
        n: Positive int.

    Returns:
        Float from 0 to 1; 0 where there is no word.

    Raises:
        ValueError: If there is no sentence.

    References:
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, whose code does so.
    """
    words = list(itertools.chain.from_iterable(_some(sentences)))
    return len(set(_ngrams(words, n))) / len(words) if words else 0.0


def self_bleu(sentences):
    """Computes the mean BLEU-4 of each sentence against all others.

    High where sentences repeat one another. The cost grows with the square of their
    number; the metric grows with it too.

    Args:
        sentences: Iterable of at least two sequences of words; those without words
            are left out.

    Returns:
        Float from 0 to 1, by NLTK with smoothing of zero counts (its method 1).

    Raises:
        ValueError: If fewer than two sentences have words.

    References:
        Zhu et al. 2018, Texygen.
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    kept = [list(words) for words in sentences if len(words)]
    if len(kept) < 2:
        raise ValueError(
            f"`sentences` must hold two with words to compare. Received: {len(kept)}"
        )
    smoothing = SmoothingFunction().method1
    scores = [
        sentence_bleu(kept[:i] + kept[i + 1 :], words, smoothing_function=smoothing)
        for i, words in enumerate(kept)
    ]
    return float(sum(scores) / len(scores))


def count_words(sentences):
    """Counts words, a `collections.Counter`."""
    return collections.Counter(itertools.chain.from_iterable(sentences))


def entropy(counts):
    """Computes the entropy of a distribution of words, `-sum(p * log(p))`.

    Args:
        counts: Mapping from word to count.

    Returns:
        Float, in nats.

    Raises:
        ValueError: If there is no word.
    """
    total = _total(counts)
    shares = (count / total for count in counts.values() if count)
    return -sum(share * math.log(share) for share in shares)


def unigram_kl(counts, reference):
    """Computes `sum(p * log(p / q))` over words that both texts have.

    Words that the reference lacks are left out of the sum, as the paper does it, so
    it is a divergence only where there are none; their share says how far it is not.

    Args:
        counts: Mapping from word to count, `p`.
        reference: Mapping from word to count, `q`.

    Returns:
        Tuple of the sum, a float in nats, and the share of `p` left out.

    Raises:
        ValueError: If either has no word.

    References:
        Bahuleyan et al. 2019, Stochastic Wasserstein Autoencoder, table 1 (UniKL).
    """
    total, of_reference = _total(counts), _total(reference)
    divergence = skipped = 0.0
    for word, count in counts.items():
        if reference.get(word, 0):
            odds = (count / total) * (of_reference / reference[word])
            divergence += count / total * math.log(odds)
        else:
            skipped += count / total
    return divergence, skipped


def _ngrams(words, n):
    return zip(*(words[i:] for i in range(n)), strict=False)


def _some(sentences):
    sentences = list(sentences)
    if not sentences:
        raise ValueError("`sentences` must not be empty. Received: no sentence")
    return sentences


def _total(counts):
    total = sum(counts.values())
    if not total:
        raise ValueError("Statistics of words need a word. Received: no word")
    return total
