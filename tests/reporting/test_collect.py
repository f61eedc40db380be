import pytest

from tests.reporting.conftest import KEPT
from tfvae.models import writing
from tfvae.reporting import read_labelled
from tfvae.reporting.collect import write_samples
from tfvae.training import RunFolder


def test_paths_between_texts(records, data):
    found = records[0].samples.interpolations
    read = [text for text, _ in records[0].samples.reconstructions]
    assert [(path.first, path.last) for path in found] == [
        (read[0], read[1]),
        (read[2], read[3]),
    ]
    fractions = [fraction for fraction, _ in found[0].steps]
    assert fractions == [0.0, 0.25, 0.5, 0.75, 1.0]
    # The ends are the posteriors' modes, as in a reconstruction.
    ends = found[0].steps[0][1], found[0].steps[-1][1]
    assert ends == tuple(text for _, text in records[0].samples.reconstructions[:2])
    assert set(read) <= set(data.texts)


def test_paths_between_samples_of_the_prior(runs, monkeypatch):
    monkeypatch.setattr(writing, "generate", lambda *args, **options: iter(["a"]))
    model = RunFolder(runs["vae"]).load_model()
    options = {"num_steps": 2, "max_length": 2, "num_paths": 2}
    found = write_samples(model, **options)
    assert found.generated == ["a"] and found.reconstructions == []
    assert [path.first for path in found.interpolations] == [None, None]
    assert len(found.interpolations[0].steps) == 2


def test_a_language_model_only_generates(records):
    generated, *others = records[2].samples
    assert len(generated) == 4 and not any(others)


def test_kept_metrics_are_not_computed_again(records):
    assert [result.source for result in records[0].results] == ["test.json"]
    assert records[0].results[0].metrics == KEPT
    assert records[2].results[0].source == "test.tsv"


def test_a_column_of_labels(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("kind\ttext\nx\tone two\ny\t \nz\tthree\n")
    found = read_labelled(str(path), label_column="kind")
    assert found == ("a.tsv", ["one two", "three"], ["x", "z"], [2, 4], None)
    assert read_labelled(str(path)).labels is None
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "kind": 3}\n')
    assert read_labelled(str(path), label_column="kind").labels == ["3"]


def test_a_column_of_contexts(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("asked\tkind\ttext\nwho ?\tx\tme\na __eou__ b\ty\tc\n")
    found = read_labelled(str(path), label_column="kind", context_column="asked")
    contexts = ["who ?", ["a", "b"]]
    assert found == ("a.tsv", ["me", "c"], ["x", "y"], [2, 3], contexts)
    labels = tmp_path / "labels.txt"
    labels.write_text("u\nv\n")
    options = {"labels": str(labels), "context_column": "asked"}
    assert read_labelled(str(path), **options).labels == ["u", "v"]


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
