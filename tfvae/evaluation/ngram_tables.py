"""Counts and interpolated Kneser-Ney probabilities of n-grams, as sorted arrays."""

import typing

import numpy as np

UNKNOWN, START, END = 0, 1, 2
# For counts of 1, 2 and more, where the text has too few to derive them.
FALLBACK = (0.5, 1.0, 1.5)


class Counts(typing.NamedTuple):
    """The different n-grams of one order, `M` of them.

    An n-gram is named by its row. Its key is the row of its first `n - 1` words in
    the table of the order below times the vocabulary's size, plus its last word; of
    single words the key and the row are the word itself.

    Attributes:
        keys: Int64 `[M]`, ascending.
        suffixes: Int64 `[M]`, the row of the last `n - 1` words in the order below.
        counts: Int64 `[M]`, adjusted as Kneser-Ney takes them.
    """

    keys: np.ndarray
    suffixes: np.ndarray
    counts: np.ndarray


class Table(typing.NamedTuple):
    """Probabilities of the n-grams of one order.

    Attributes:
        keys: Int64 `[M]`, as in `Counts`.
        probs: Float64 `[M]`, of the last word given those before it.
        backoffs: Float64 `[M]`, the share that words never seen after this n-gram
            take of the probabilities of the order below; 1 where nothing was seen
            after it. Of no use, and left empty, in the highest order.
    """

    keys: np.ndarray
    probs: np.ndarray
    backoffs: np.ndarray


def count(words, places, order, size):
    """Counts the n-grams of a text up to an order.

    The highest order keeps its counts. Lower ones take the number of different words
    seen before the n-gram, but for those that begin with `<s>`, before which there is
    none. `<s>` itself is never predicted and counts 0.

    Args:
        words: Int array `[P]`, every sentence from `<s>` to `</s>`.
        places: Int array `[P]`, places within the sentence, 0 for `<s>`.
        order: Positive int.
        size: Int, of the vocabulary.

    Returns:
        List of `order` `Counts`, single words first.
    """
    rows = words.astype(np.int64)
    tables = [(np.arange(size), None, np.bincount(rows, minlength=size), None)]
    for length in range(2, order + 1):
        here = np.flatnonzero(places >= length - 1)
        keys, first, inverse, counts = np.unique(
            rows[here - 1] * size + words[here],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        suffixes = rows[here[first]]
        starting = places[here[first]] == length - 1
        tables.append((keys, suffixes, counts, starting))
        rows = np.full(len(rows), -1, np.int64)
        rows[here] = inverse
    result = []
    for index, (keys, suffixes, counts, starting) in enumerate(tables):
        if index + 1 < order:
            before = np.bincount(tables[index + 1][1], minlength=len(keys))
            counts = before if starting is None else np.where(starting, counts, before)
        if index == 0:
            counts[START] = 0
        result.append(Counts(keys, suffixes, counts))
    return result


def derive_discounts(counts):
    """Derives what is taken off counts of 1, 2 and more from how many there are.

    Computes `j - (j + 1) * n[1] / (n[1] + 2 n[2]) * n[j + 1] / n[j]`, `n[j]` the
    number of n-grams counted `j` times.

    Args:
        counts: Int array `[M]`, adjusted counts of one order.

    Returns:
        Tuple of three floats; `FALLBACK` where one of `n[1]`, `n[2]`, `n[3]` is 0 or
        a discount would fall outside of 0 to `j`.

    References:
        Chen and Goodman 1999, equation 26.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1:4].all():
        return FALLBACK
    share = n[1] / (n[1] + 2 * n[2])
    discounts = tuple(j - (j + 1) * share * n[j + 1] / n[j] for j in (1, 2, 3))
    inside = all(0 <= discounts[j - 1] <= j for j in (1, 2, 3))
    return tuple(map(float, discounts)) if inside else FALLBACK


def estimate(tables, discounts, size):
    """Computes interpolated probabilities, the lowest order first.

    `p(w|c) = max(a(cw) - D(a(cw)), 0) / a(c.) + backoff(c) * p(w|c')`, with adjusted
    counts `a`, discounts `D` and `c'` the context without its first word;
    `backoff(c)` is what the discounts took. Single words are interpolated with the
    uniform distribution over the vocabulary without `<s>`.

    Args:
        tables: List of `Counts`.
        discounts: A triple of floats for each order.
        size: Int, of the vocabulary.

    Returns:
        List of `Table`.
    """
    lower = np.full(1, 1.0 / (size - 1))
    result = []
    for index, ((keys, suffixes, counts), triple) in enumerate(
        zip(tables, discounts, strict=True)
    ):
        if index == 0:
            contexts = suffixes = np.zeros(size, np.int64)
        else:
            contexts = keys // size
        taken = np.minimum(np.array([0.0, *triple])[np.minimum(counts, 3)], counts)
        totals = np.bincount(contexts, counts, len(lower))
        seen = totals > 0
        backoffs = np.ones(len(lower))
        np.divide(
            np.bincount(contexts, taken, len(lower)), totals, out=backoffs, where=seen
        )
        probs = (counts - taken) / totals[contexts]
        probs += backoffs[contexts] * lower[suffixes]
        if index == 0:
            probs[START] = 0.0
        else:
            result[-1] = result[-1]._replace(backoffs=backoffs)
        result.append(Table(keys, probs, np.empty(0)))
        lower = probs
    return result


def look_up(tables, words, places, size):
    """Computes the probability of every word given the words before it.

    Args:
        tables: List of `Table`.
        words: Int array `[P]`, every sentence from `<s>`.
        places: Int array `[P]`, places within the sentence, 0 for `<s>`.
        size: Int, of the vocabulary.

    Returns:
        Float64 `[P]`; 0 for `<s>`.
    """
    probs = tables[0].probs[words]
    rows = words.astype(np.int64)
    for lower, table in zip(tables, tables[1:], strict=False):
        # A row of -1 stands for an n-gram never seen.
        contexts = np.concatenate([[-1], rows[:-1]])
        contexts[places == 0] = -1
        known = contexts >= 0
        probs = np.where(known, lower.backoffs[contexts] * probs, probs)
        rows = np.full(len(words), -1, np.int64)
        if len(table.keys):
            keys = contexts * size + words
            found = np.minimum(np.searchsorted(table.keys, keys), len(table.keys) - 1)
            found[~known | (table.keys[found] != keys)] = -1
            probs = np.where(found >= 0, table.probs[found], probs)
            rows = found
    return probs
