"""Word embeddings that no measured model has learned, and similarities by them."""

import collections
import typing

import numpy as np

from tfvae.checks import require_extra

# Words counted at once: their pairs are held in memory.
_CHUNK = 1_000_000
_UNKNOWN = "<unk>"


class WordEmbeddings(typing.NamedTuple):
    """Vectors of words.

    Attributes:
        name: Str, where they are from.
        vectors: Dict of float32 arrays `[D]` by word.
    """

    name: str
    vectors: dict


def check_extra():
    """Checks that what embeddings are learned with is installed.

    Raises:
        ValueError: If it is not.
    """
    modules = "scipy.sparse", "sklearn.decomposition"
    purpose = "Without a file of embeddings (--embeddings FILE), learning them"
    require_extra("measures", purpose, *modules)


def learn_embeddings(texts, *, dim=200, window=5, max_words=20_000, seed=0):
    """Learns embeddings from the words that stand near each word.

    Factorises the positive pointwise mutual information of words and their neighbours,
    `max(log(n(w, c) * sum(n(c) ** 0.75) / (n(w) * n(c) ** 0.75)), 0)`, by a singular
    value decomposition `U S V`; the embeddings are the rows of `U * sqrt(S)`. Words
    without a neighbour, and `<unk>`, get none.

    Args:
        texts: Iterable of str, words separated by whitespace.
        dim: Positive int `D`, the most dimensions. Defaults to `200`.
        window: Positive int, words to each side that are neighbours, within a sentence.
            Defaults to `5`.
        max_words: Positive int, the most words, the commonest ones. Defaults to
            `20_000`.
        seed: Int, of the decomposition. Defaults to `0`.

    Returns:
        A `WordEmbeddings`.

    Raises:
        ValueError: If scikit-learn is not installed, or no two words stand together.

    References:
        Levy, Goldberg and Dagan 2015, Improving Distributional Similarity with Lessons
        Learned from Word Embeddings, sections 2.1 and 3.
    """
    check_extra()
    from sklearn.decomposition import TruncatedSVD

    sentences = [text.split() for text in texts]
    counts = collections.Counter(word for words in sentences for word in words)
    counts.pop(_UNKNOWN, None)
    vocabulary = [word for word, _ in counts.most_common(max_words)]
    information = _positive_information(_neighbours(sentences, vocabulary, window))
    if not information.nnz:
        raise ValueError(
            "Embeddings are learned from words that stand together, and the training "
            "text has none that do so more than by chance. Give a file of embeddings "
            "(--embeddings FILE)."
        )
    dim = min(dim, len(vocabulary) - 1)
    svd = TruncatedSVD(dim, random_state=seed)
    vectors = svd.fit_transform(information)
    kept = svd.singular_values_ > 1e-6 * svd.singular_values_[0]
    vectors = vectors[:, kept] / np.sqrt(svd.singular_values_[kept])
    has_neighbour = np.asarray(information.sum(axis=1)).ravel() > 0
    return WordEmbeddings(
        f"ppmi-svd {vectors.shape[1]}, training text",
        {
            word: vector.astype(np.float32)
            for word, vector, has in zip(
                vocabulary, vectors, has_neighbour, strict=True
            )
            if has
        },
    )


def _neighbours(sentences, vocabulary, window):
    """Counts pairs of words, a sparse float64 matrix `[V, V]`."""
    import scipy.sparse

    number = {word: index for index, word in enumerate(vocabulary)}
    size = len(vocabulary)
    total = scipy.sparse.csr_array((size, size))
    for ids, owners in _chunks(sentences, number):
        for distance in range(1, window + 1):
            one, other = ids[:-distance], ids[distance:]
            near = owners[:-distance] == owners[distance:]
            near &= (one >= 0) & (other >= 0)
            pairs = (np.ones(near.sum()), (one[near], other[near]))
            found = scipy.sparse.coo_array(pairs, shape=(size, size)).tocsr()
            total = total + found + found.T
    return total


def _chunks(sentences, number):
    """Yields words' numbers, -1 for none, and which sentence each one is of."""
    ids, owners = [], []
    for index, words in enumerate(sentences):
        ids += [number.get(word, -1) for word in words]
        owners += [index] * len(words)
        if len(ids) >= _CHUNK:
            yield np.array(ids), np.array(owners)
            ids, owners = [], []
    yield np.array(ids, np.int64), np.array(owners, np.int64)


def _positive_information(counts):
    """Computes the positive pointwise mutual information of counted pairs."""
    import scipy.sparse

    of_word = np.asarray(counts.sum(axis=1)).ravel()
    of_neighbour = of_word**0.75
    pairs = counts.tocoo()
    row, column = pairs.coords
    ratio = pairs.data * of_neighbour.sum() / (of_word[row] * of_neighbour[column])
    value = np.log(ratio)
    kept = value > 0
    return scipy.sparse.csr_array(
        (value[kept], (row[kept], column[kept])), shape=counts.shape
    )


class Embedded(typing.NamedTuple):
    """What similarities read of a sentence.

    Attributes:
        average: Float array `[D]`, a unit vector.
        extrema: Float array `[D]`, a unit vector.
        words: Float array `[n, D]`, unit vectors of the words that have one.
    """

    average: np.ndarray
    extrema: np.ndarray
    words: np.ndarray


def embed(words, vectors):
    """Embeds a sentence; `None` where no word has a vector.

    Args:
        words: Sequence of str.
        vectors: Dict of float arrays `[D]` by word.

    Returns:
        An `Embedded`, or `None`.
    """
    found = [vectors[word] for word in words if word in vectors]
    if not found:
        return None
    found = np.asarray(found, np.float64)
    highest, lowest = found.max(axis=0), found.min(axis=0)
    extrema = np.where(-lowest > highest, lowest, highest)
    return Embedded(*map(_unit, (found.mean(axis=0), extrema, found)))


def similarities(one, other):
    """Computes three similarities of two sentences.

    Args:
        one: An `Embedded`, or `None`.
        other: An `Embedded`, or `None`.

    Returns:
        Float64 array `[3]`, from -1 to 1, all 0 where one is `None`: the cosine of the
        mean vectors; that of the vectors of extrema, in each dimension the value of
        largest magnitude, the positive one of two; and the mean of both directions of
        each word's largest cosine with a word of the other sentence.

    References:
        Mitchell and Lapata 2008, Vector-based Models of Semantic Composition (average);
        Forgues et al. 2014, Bootstrapping Dialog Systems with Word Embeddings
        (extrema); Rus and Lintean 2012, A Comparison of Greedy and Optimal Assessment
        of Natural Language Student Input (greedy).
    """
    if one is None or other is None:
        return np.zeros(3)
    cosines = one.words @ other.words.T
    greedy = (cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2
    return np.array([one.average @ other.average, one.extrema @ other.extrema, greedy])


def _unit(vectors):
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
