import math
import sys

import numpy as np
import pytest
from scipy.spatial import distance

from tfvae.evaluation import embeddings
from tfvae.evaluation.embeddings import embed, learn_embeddings, similarities
from tfvae.text import default_grammar

VECTORS = {
    "a": np.array([1.0, 0.0]),
    "b": np.array([0.0, 2.0]),
    "c": np.array([-3.0, 1.0]),
    "d": np.array([3.0, -1.0]),
}


def compare(one, other, vectors=VECTORS):
    return similarities(*(embed(words.split(), vectors) for words in (one, other)))


def test_similarities_by_hand():
    average, extrema, greedy = compare("a b", "c")
    # Means (.5, 1) and (-3, 1); extrema (1, 2) and (-3, 1).
    assert average == pytest.approx(-0.5 / math.sqrt(1.25 * 10))
    assert extrema == pytest.approx(-1 / math.sqrt(5 * 10))
    # Of `a` -3 / sqrt(10), of `b` 1 / sqrt(10); of `c` the larger of the two.
    of_a, of_b = -3 / math.sqrt(10), 1 / math.sqrt(10)
    assert greedy == pytest.approx(((of_a + of_b) / 2 + of_b) / 2)


def test_extrema_take_the_positive_of_two_and_the_larger_magnitude():
    np.testing.assert_allclose(
        embed(["c", "d"], VECTORS).extrema, np.array([3.0, 1.0]) / math.sqrt(10)
    )
    np.testing.assert_allclose(
        embed(["a", "c"], VECTORS).extrema, np.array([-3.0, 1.0]) / math.sqrt(10)
    )


def test_similarities_against_scipy():
    rng = np.random.default_rng(0)
    vectors = dict(zip("abcdefgh", rng.normal(size=(8, 5)), strict=True))
    one, other = "a b c d", "e f d"
    first, second = (
        np.array([vectors[word] for word in text.split()]) for text in (one, other)
    )
    average, extrema, greedy = compare(one, other, vectors)
    assert average == pytest.approx(1 - distance.cosine(first.mean(0), second.mean(0)))
    strongest = [
        [max(column, key=abs) for column in rows.T] for rows in (first, second)
    ]
    assert extrema == pytest.approx(1 - distance.cosine(*strongest))
    cosines = 1 - distance.cdist(first, second, "cosine")
    expected = (cosines.max(0).mean() + cosines.max(1).mean()) / 2
    assert greedy == pytest.approx(expected)


def test_words_without_a_vector_do_not_count():
    np.testing.assert_allclose(compare("a x b", "c y"), compare("a b", "c"))
    np.testing.assert_allclose(compare("a b", "b a"), 1.0)
    assert not compare("x", "a").any() and not compare("a", "").any()


TEXTS = ["a b c", "b a", "c c d <unk> a", "d", "e"]


def reference_information(texts, words, window):
    """The positive pointwise mutual information by loops over all pairs."""
    counts = np.zeros([len(words)] * 2)
    for text in texts:
        tokens = text.split()
        for i, one in enumerate(tokens):
            for j, other in enumerate(tokens):
                near = i != j and abs(i - j) <= window
                if near and one in words and other in words:
                    counts[words.index(one), words.index(other)] += 1
    of_word = counts.sum(1)
    smoothed = of_word**0.75 / (of_word**0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(counts / (of_word[:, None] * smoothed))
    return np.where(found > 0, found, 0.0)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_learned_embeddings_against_a_dense_decomposition(window, monkeypatch):
    # So that counts are of several chunks.
    monkeypatch.setattr(embeddings, "_CHUNK", 4)
    words = list("abcd")
    information = reference_information(TEXTS, words, window)
    learned = learn_embeddings(TEXTS, dim=3, window=window)
    u, s, _ = np.linalg.svd(information)
    kept = (s > 1e-6 * s[0])[:3].sum()
    # Up to signs, hence by inner products. `e` has no neighbour.
    expected = (u[:, :kept] * s[:kept]) @ u[:, :kept].T
    has_any = dict(zip(words, information.sum(1) > 0, strict=True))
    assert set(learned.vectors) == {word for word in words if has_any[word]}
    rows = [words.index(word) for word in learned.vectors]
    found = np.array(list(learned.vectors.values()))
    np.testing.assert_allclose(found @ found.T, expected[np.ix_(rows, rows)], atol=1e-5)
    assert learned.name == f"ppmi-svd {kept}, training text"


def test_learned_embeddings_know_the_topics_of_the_grammar():
    texts = [sentence.text for sentence in default_grammar().sample(2000, 1)]
    learned = learn_embeddings(texts, dim=20)
    again = learn_embeddings(texts, dim=20)
    for word, vector in learned.vectors.items():
        np.testing.assert_array_equal(vector, again.vectors[word])
    near = compare("soup", "bread", learned.vectors)[0]
    assert near > compare("soup", "symphony", learned.vectors)[0] + 0.3


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="none that do so more than by chance"):
        learn_embeddings(["a", "b"])


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(ValueError, match=r"--embedd.*sklearn.*tfvae\[measures\]"):
        learn_embeddings(["a b"])
