"""How varied and how typical a set of sentences is."""

import collections
import itertools
import math


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
