import numpy as np
import pytest

from tests.evaluation.kneser_ney import Reference
from tfvae.evaluation import ngram_tables

TEXTS = ["a b a b", "a c", "b a c a b", "c", "a b a c"]
IDS = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "c": 5}


def arrays():
    sentences = [[1, *(IDS[word] for word in text.split()), 2] for text in TEXTS]
    places = [place for words in sentences for place in range(len(words))]
    return np.concatenate(sentences), np.array(places)


def grams_of(tables):
    """Writes out the n-grams behind the rows of each table."""
    words = [(index,) for index in tables[0].keys]
    result = [words]
    for table in tables[1:]:
        contexts, last = np.divmod(table.keys, len(IDS))
        words = [(*words[c], w) for c, w in zip(contexts, last, strict=True)]
        result.append(words)
    return result


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_counts_are_those_of_the_definition(order):
    names = {index: word for word, index in IDS.items()}
    tables = ngram_tables.count(*arrays(), order, len(IDS))
    reference = Reference(TEXTS, order, None)
    for n, (table, grams) in enumerate(zip(tables, grams_of(tables), strict=True), 1):
        found = {
            tuple(names[int(i)] for i in gram): count
            for gram, count in zip(grams, table.counts.tolist(), strict=True)
        }
        if n == 1:
            assert found.pop(("<unk>",)) == 0
        assert found == reference.grams(n)


def test_suffixes_name_the_last_words():
    tables = ngram_tables.count(*arrays(), 3, len(IDS))
    grams = grams_of(tables)
    for n in (1, 2):
        for gram, suffix in zip(grams[n], tables[n].suffixes, strict=True):
            assert grams[n - 1][suffix] == gram[1:]


def test_discounts_by_hand():
    # Four n-grams counted once, two twice, one three and one four times.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9, 0])
    assert ngram_tables.derive_discounts(counts) == (0.5, 1.25, 1.0)


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [2, 2, 3, 4],
        [1, 1, 3, 4],
        [1, 2, 4],
        # The first discount would be 1 - 2 * 1 / 9 * 4 / 1 > 0, the second
        # 2 - 3 * 1 / 9 * 8 / 4 > 0, the third 3 - 4 * 1 / 9 * 80 / 8 < 0.
        [1] + [2] * 4 + [3] * 8 + [4] * 80,
    ],
)
def test_discounts_that_cannot_be_derived(counts):
    found = ngram_tables.derive_discounts(np.array(counts, int))
    assert found == ngram_tables.FALLBACK


def test_a_discount_takes_no_more_than_there_is():
    tables = ngram_tables.count(*arrays(), 2, len(IDS))
    estimated = ngram_tables.estimate(tables, [(0.5, 1.0, 9.0)] * 2, len(IDS))
    assert all((table.probs >= 0).all() for table in estimated)
    assert estimated[0].probs.sum() == pytest.approx(1.0)
