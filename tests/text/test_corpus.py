import json

import pytest

from tfvae.text.corpus import write_corpus
from tfvae.text.datasets import read_columns, read_lines
from tfvae.text.grammar import ATTRIBUTES, default_grammar


def test_files_hold_what_the_grammar_says(tmp_path):
    write_corpus(tmp_path / "new" / "corpus", 60, 20, 30, seed=5)
    folder = tmp_path / "new" / "corpus"
    grammar = default_grammar()
    texts = []
    for split, num in (("train", 60), ("valid", 20), ("test", 30)):
        lines = list(read_lines(folder / f"{split}.txt"))
        assert len(lines) == num
        texts.append(lines)
        columns = ["text", *ATTRIBUTES, "log_prob"]
        rows = list(read_columns(folder / f"{split}.tsv", columns))
        assert [row["text"] for row in rows] == lines
        for row in rows:
            sentence = grammar.parse(row["text"])
            assert float(row["log_prob"]) == pytest.approx(sentence.log_prob)
            for attribute in ATTRIBUTES:
                assert int(row[attribute]) == getattr(sentence, attribute)
        pairs = list(
            read_columns(
                folder / f"{split}_pairs.tsv", ["context", "text", "topic", "log_prob"]
            )
        )
        assert len(pairs) == num
        for pair in pairs:
            log_prob = grammar.pair_log_prob(pair["context"], pair["text"])
            assert float(pair["log_prob"]) == pytest.approx(log_prob)
    assert not set(texts[0]) <= set(texts[1])
    names = json.loads((folder / "attributes.json").read_text())
    assert {key: tuple(value) for key, value in names.items()} == ATTRIBUTES


def test_is_a_function_of_the_seed_and_splits_do_not_interact(tmp_path):
    write_corpus(tmp_path / "a", 10, 10, 10, seed=1)
    write_corpus(tmp_path / "b", 20, 10, 10, seed=1)
    write_corpus(tmp_path / "c", 10, 10, 10, seed=2)
    for name in ("test.txt", "test.tsv", "test_pairs.tsv", "valid.txt"):
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert content != (tmp_path / "c" / name).read_bytes()
    longer = (tmp_path / "b" / "train.txt").read_text()
    assert longer.startswith((tmp_path / "a" / "train.txt").read_text())


def test_refuses_an_empty_split(tmp_path):
    with pytest.raises(ValueError, match="'valid': 0"):
        write_corpus(tmp_path, 1, 0, 1)
