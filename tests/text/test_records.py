import numpy as np
import pytest

from tfvae.text.records import (
    Limits,
    RecordError,
    TextCounts,
    concatenate,
    count_records,
    count_words,
    read_blocks,
    select,
)
from tfvae.text.tokenizer import CharacterTokenizer, WordTokenizer

TEXTS = ["a b", "a b c d", "q", "a q", "b b b"]


@pytest.fixture
def tokenizer():
    return WordTokenizer(vocabulary=list("abcd"))


def test_counts_by_hand(tokenizer):
    counts = count_records(TEXTS, tokenizer, Limits(4, "error"))
    assert counts == TextCounts(
        num_sentences=5,
        num_tokens=12,
        longest=4,
        keys=("tokens",),
        num_lines=5,
        num_words=12,
        num_single=1,
        num_unknown=2,
    )
    assert counts.unknown_rate == 2 / 12
    cut = count_records(TEXTS, tokenizer, Limits(3, "truncate"))
    assert cut == counts._replace(num_tokens=11, longest=3, num_cut=1)
    dropped = count_records(TEXTS, tokenizer, Limits(3, "drop"))
    assert dropped == counts._replace(
        num_sentences=4, num_tokens=8, longest=3, num_words=8, num_dropped=1
    )


def test_counts_a_context_that_is_too_long(tokenizer):
    records = [{"text": "a", "context": text} for text in TEXTS]
    found = [
        count_records(records, tokenizer, Limits(3, how))
        for how in ("truncate", "drop")
    ]
    assert [(each.num_cut, each.num_dropped) for each in found] == [(1, 0), (0, 1)]
    assert [each.num_sentences for each in found] == [5, 4]
    assert found[0].num_unknown == 0


def test_a_vocabulary_comes_from_what_is_trained_on(tokenizer):
    records = [
        {"text": "a b", "context": "x", "label": 0},
        {"text": "a c d", "context": "x", "label": 0},
        {"text": "a", "context": "x y z", "label": 0},
    ]
    expected = {
        "error": "a b x a c d x a x y z",
        "truncate": "a b x a c x a x y",
        "drop": "a b x",
    }
    for too_long, words in expected.items():
        counts = count_words(iter(records), tokenizer, Limits(2, too_long))
        assert sorted(counts.elements()) == sorted(words.encode().split())
    with pytest.raises(ValueError, match="no sentence of at most max_length=1"):
        count_words(["a b"], tokenizer, Limits(1, "drop"))
    assert count_words([], tokenizer, Limits(1, "drop")) == {}


TURNS = [
    {"text": "a b", "context": ["c", "d a", "b"]},
    {"text": "b", "context": "a"},
    {"text": "c", "context": ["a b", "c d a"]},
]


def test_turns_are_padded_in_front(tokenizer):
    (block,) = read_blocks(TURNS, tokenizer, Limits(3, "error", max_turns=3))
    assert block["context"].lengths.tolist() == [2, 1, 3]
    np.testing.assert_array_equal(
        block["context"].padded(3),
        [
            [[6, 0, 0], [7, 4, 0], [5, 0, 0]],
            [[0, 0, 0], [0, 0, 0], [4, 0, 0]],
            [[0, 0, 0], [4, 5, 0], [6, 7, 4]],
        ],
    )
    picked = select(block, np.array([2, 0]))["context"]
    np.testing.assert_array_equal(picked.padded(3), block["context"].padded(3)[[2, 0]])
    joined = concatenate([block, block])["context"]
    assert len(joined) == 6 and joined.lengths.tolist() == [2, 1, 3] * 2


def test_turns_beyond_the_limits(tokenizer):
    with pytest.raises(RecordError, match="Sentence 1: the context has 3 turns") as e:
        list(read_blocks(TURNS, tokenizer, Limits(3, max_turns=2)))
    assert "`max_turns` (`--max-turns`)" in e.value.problem
    with pytest.raises(RecordError, match="Sentence 3: the context has 3 tokens"):
        limits = Limits(3, max_context_length=2, max_turns=3)
        list(read_blocks(TURNS, tokenizer, limits))
    limits = Limits(3, "truncate", 2, 2)
    (block,) = read_blocks(TURNS, tokenizer, limits)
    # The last two turns, and two words of each.
    np.testing.assert_array_equal(block["context"].padded(2)[0], [[7, 4], [5, 0]])
    np.testing.assert_array_equal(block["context"].padded(2)[2], [[4, 5], [6, 7]])
    assert count_records(TURNS, tokenizer, limits).num_cut == 2
    dropped = count_records(TURNS, tokenizer, Limits(3, "drop", 2, 2))
    assert (dropped.num_sentences, dropped.num_dropped) == (1, 2)
    words = count_words(TURNS, tokenizer, Limits(3, "drop", 2, 2))
    assert words == {b"a": 1, b"b": 1}
    for read in (count_words, count_records):
        with pytest.raises(RecordError, match="Sentence 1: the context has 3 turns, a"):
            read(TURNS, tokenizer, Limits(3))
    empty = [{"text": "a", "context": []}]
    with pytest.raises(RecordError, match="the context has no turn"):
        list(read_blocks(empty, tokenizer, Limits(3, max_turns=2)))


def test_lengths_are_those_of_the_tokenizer():
    counts = count_words(["abc", "ab"], CharacterTokenizer(), Limits(2, "drop"))
    assert counts == {b"a": 1, b"b": 1}


def test_refused_records_have_a_number(tokenizer):
    texts = ["a"] * 5000 + ["a b c d", "a"]
    with pytest.raises(RecordError, match="Sentence 5001: the text has 4 tokens") as e:
        list(read_blocks(texts, tokenizer, Limits(3, "error")))
    assert e.value.number == 5001
    assert e.value.problem.startswith("the text has 4 tokens, more than 3. Raise")
    for option in ("`max_length` (`--max-length`)", "(`--too-long truncate`)"):
        assert option in e.value.problem
    half = [["a", "\ud83d"], [{"text": "a"}, {"text": "a\udc00"}]]
    for texts in half:
        with pytest.raises(RecordError, match="Sentence 2: .*half of a surrogate"):
            list(read_blocks(texts, tokenizer, Limits(3, "error")))


def warnings(training=None, **counts):
    words = {"num_sentences": 100, "num_tokens": 900, "num_words": 900}
    found = TextCounts(**words | {"longest": 9, "keys": ("tokens",)} | counts)
    return found.warnings(training)


def test_warnings():
    training = TextCounts(100, 900, 9, ("tokens",), num_words=900)
    assert warnings() == warnings(training) == []
    # A fifth is no large share yet, and half of the sentences are not most.
    assert warnings(num_unknown=180, num_dropped=25, num_single=50) == []
    (dropped,) = warnings(num_dropped=26)
    assert dropped.startswith("26 of 126 sentences are longer than the limit")
    (unknown,) = warnings(num_unknown=181)
    assert "20% of the tokens" in unknown and "--tokenizer wordpiece" in unknown
    (unknown,) = warnings(training._replace(num_unknown=1), num_unknown=450)
    assert "50% of the tokens" in unknown and "the vocabulary was learned" in unknown


def test_warns_of_text_without_spaces():
    one_word = {"num_single": 60, "num_words": 150, "num_tokens": 150}
    (found,) = warnings(**one_word)
    assert found.startswith("60 of 100 sentences") and "--tokenizer character" in found
    assert warnings(**one_word | {"num_tokens": 900}) == []  # Characters, or pieces.


def test_warns_of_unknown_words_that_training_has_not():
    training = TextCounts(100, 900, 9, ("tokens",), num_words=900)
    (found,) = warnings(training, num_unknown=1)
    assert found.startswith("1 of 900 tokens") and "--unknown-share 0.01" in found
    for change in ({"num_unknown": 1}, {"unknown_share": 0.01}):
        assert warnings(training._replace(**change), num_unknown=1) == []
    assert warnings(num_unknown=1) == []
