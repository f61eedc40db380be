import pytest

from tfvae.text.vocabulary import SPECIAL_TOKENS, Vocabulary, chunks


def test_orders_by_count_then_alphabetically():
    counts = {"pear": 2, "fig": 5, "apple": 2, "date": 1}
    vocabulary = Vocabulary.from_counts(counts, max_tokens=7, min_count=1)
    assert vocabulary.words == (*SPECIAL_TOKENS, "fig", "apple", "pear")
    assert vocabulary.ids == {"fig": 4, "apple": 5, "pear": 6}


def test_min_count_and_nothing_left():
    counts = {"fig": 5, "date": 1}
    assert len(Vocabulary.from_counts(counts, min_count=2)) == 5
    with pytest.raises(ValueError, match="vocabulary would be empty.*min_count=6"):
        Vocabulary.from_counts(counts, min_count=6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("abc", "not a str"),
        ([], "no word"),
        (list(SPECIAL_TOKENS), "no word"),
        (["a", "b", "a"], "Received twice: 'a'"),
        (["a b"], "without whitespace"),
        (["a\u00a0"], "without whitespace"),
        (["\t"], "without whitespace"),
        (["  "], "without whitespace"),
        ([""], "without whitespace"),
        ([3], "without whitespace"),
        (["a", "<unk>"], "another place"),
    ],
)
def test_refuses(words, message):
    with pytest.raises(ValueError, match=message) as error:
        Vocabulary(words)
    assert "\n" not in str(error.value)


def test_special_tokens_may_be_given():
    assert Vocabulary([*SPECIAL_TOKENS, "x"]).words == Vocabulary(["x"]).words


def test_file_round_trip_keeps_every_word(tmp_path):
    # \x85 ends a line for str.splitlines, but not for a vocabulary file.
    words = ["naïve", "日本", "a\u200bb", "#", " "]
    path = tmp_path / "vocabulary.txt"
    Vocabulary(words).write(path)
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines == [*SPECIAL_TOKENS, *words, ""]
    assert Vocabulary.read(path).words == (*SPECIAL_TOKENS, *words)


def test_broken_file_is_named(tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(b"<pad>\n\xff\n")
    with pytest.raises(ValueError, match="vocabulary.txt"):
        Vocabulary.read(path)


def test_chunks_reads_no_further_than_needed():
    source = iter(range(10))
    parts = chunks(source, 4)
    assert next(parts) == [0, 1, 2, 3]
    assert next(source) == 4
    assert list(parts) == [[5, 6, 7, 8], [9]]
