import pytest

from tfvae.reporting import read_labelled


def test_a_column_of_labels(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("kind\ttext\nx\tone two\ny\t \nz\tthree\n")
    found = read_labelled(str(path), label_column="kind")
    assert found == ("a.tsv", ["one two", "three"], ["x", "z"])
    assert read_labelled(str(path)).labels is None
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "kind": 3}\n')
    assert read_labelled(str(path), label_column="kind").labels == ["3"]


def test_a_file_of_labels(tmp_path):
    texts, labels = tmp_path / "a.txt", tmp_path / "labels.txt"
    texts.write_text("one\n\ntwo\n")
    labels.write_text("x\ny\n")
    assert read_labelled(str(texts), labels=str(labels)).labels == ["x", "y"]
    labels.write_text("x\n")
    with pytest.raises(ValueError, match="Received: 1 labels, 2 sentences"):
        read_labelled(str(texts), labels=str(labels))
    with pytest.raises(ValueError, match="not both"):
        read_labelled(str(texts), labels=str(labels), label_column="kind")


def test_no_sentence(tmp_path):
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no sentence"):
        read_labelled(str(tmp_path / "a.txt"))
