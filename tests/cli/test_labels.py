"""Runs on labelled sentences: what commands make of a label's name."""

import json

import numpy as np
import pytest

from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.text import ATTRIBUTES, default_grammar
from tfvae.text.readers import read_records
from tfvae.training import RunConfiguration, RunFolder

NAMES = list(ATTRIBUTES["sentiment"])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The path of 40 sentences with their sentiments."""
    path = tmp_path_factory.mktemp("labelled") / "train.tsv"
    rows = [
        f"{s.text}\t{s.names()['sentiment']}\n"
        for s in default_grammar().sample(40, seed=2)
    ]
    path.write_text("text\tmood\n" + "".join(rows), encoding="utf-8")
    return str(path)


def arguments(table, out, *more, preset="vae"):
    options = [f"{key}={value}" for key, value in TINY.items()]
    return [
        *["train", preset, "--train", table, "--out", str(out), "--no-xla"],
        *["--label-column", "mood", "--epochs", "1", "--batch-size", "8", "--quiet"],
        *["--set", *options, *more],
    ]


@pytest.fixture(scope="module")
def labelled(table, tmp_path_factory):
    """The folder of a run of a tiny VAE on labelled sentences."""
    folder = tmp_path_factory.mktemp("runs") / "labelled"
    assert main([*arguments(table, folder), "--valid", table]) == 0
    return str(folder)


def test_a_run_records_its_labels(labelled):
    folder = RunFolder(labelled)
    assert folder.load_configuration().label_names == NAMES
    model = folder.load_model()
    assert model.label_names == tuple(NAMES) and model.requires == ("label",)
    # Resuming a finished run with the same arguments finds the same run.
    assert [model.label_number(name) for name in NAMES] == [0, 1, 2]


def test_a_finished_run_is_resumed_by_the_same_command(table, labelled):
    again = [*arguments(table, labelled), "--valid", table, "--resume"]
    assert main(again) == 0


def test_writes_sentences_of_a_label(labelled, capsys, error_of):
    command = ["generate", labelled, "--num", "100", "--max-written", "5"]
    texts = {}
    for name in NAMES:
        assert main([*command, "--label", name]) == 0
        texts[name] = capsys.readouterr().out
        assert len(texts[name].splitlines()) == 100
    assert len(set(texts.values())) > 1
    assert "one of negative, neutral, positive" in error_of(*command)
    found = error_of(*command, "--label", "sad")
    assert "negative, neutral, positive. Received: 'sad'" in found


def test_codes_are_of_sentences_with_their_labels(
    labelled, table, tmp_path, json_of, error_of, capsys
):
    model = RunFolder(labelled).load_model()
    rows = list(read_records(table, label_column="mood"))
    texts, labels = zip(*[(r["text"], r["label"]) for _, r in rows], strict=True)
    out = tmp_path / "codes.npz"
    assert main(["encode", labelled, "--data", table, "--out", str(out)]) == 0
    with np.load(out) as arrays:
        codes = model.encode(texts, labels=labels)
        np.testing.assert_allclose(arrays["codes"], codes, atol=1e-6)
    capsys.readouterr()
    found = json_of("reconstruct", labelled, "--data", table, "--num", "2")
    assert [row["label"] for row in found] == list(labels[:2])
    label = ["--label", labels[0]]
    steps = ["--steps", "2", "--max-written", "5"]
    found = json_of("interpolate", labelled, *texts[:2], *label, *steps)
    ends = model.encode(texts[:2], labels=labels[:1] * 2)
    wanted = model.decode(ends, labels=labels[:1] * 2, max_length=5)
    assert [row["text"] for row in found] == wanted
    search = ["neighbours", labelled, "--data", table, "--query", texts[0]]
    (found,) = json_of(*search, *label)
    assert found["neighbours"][0]["label"] in NAMES
    assert "Give --label, one of negative, neutral" in error_of(*search)
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tmood\na\tsad\n")
    line = error_of("encode", labelled, "--data", bad, "--out", out)
    assert "bad.tsv, line 2: the label 'sad' is not one of negative, neutral" in line


def test_a_model_of_sentences_takes_no_label(run, error_of):
    found = error_of("generate", run, "--label", "positive")
    assert "reads no labels" in found and "--label-column" in found


def test_evaluates_by_the_labels_of_training(labelled, tmp_path, json_of, error_of):
    some = tmp_path / "test.tsv"
    sentences = [s for s in default_grammar().sample(30, seed=3) if s.sentiment]
    rows = [f"{s.text}\t{NAMES[s.sentiment]}\n" for s in sentences]
    some.write_text("text\tmood\n" + "".join(rows), encoding="utf-8")
    command = ["evaluate", labelled, "--data", str(some), "--samples", "2"]
    result = json_of(*command)
    assert result["num_sentences"] == len(sentences) and result["nll"] > 0
    # Another label costs another likelihood, so that the numbers are those of training.
    some.write_text(some.read_text().replace("\tpositive", "\tnegative"))
    assert json_of(*command)["nll"] != result["nll"]
    some.write_text("text\tmood\nit is so .\tsad\n")
    assert "test.tsv, line 2: the label 'sad' is not one of" in error_of(*command)
    some.write_text("text\tmod\nit is so .\tsad\n")
    assert "no column 'mood'. Columns: text, mod. Did you mean 'mod'?" in error_of(
        *command
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a b\tgood\nb\tgood\n", "two labels at least"),
        ("a b\tgood\nb\t \nc\tbad\n", "line 3: the label is empty"),
    ],
)
def test_refuses_labels_before_training(tmp_path, error_of, rows, message):
    path = tmp_path / "bad.tsv"
    path.write_text("text\tmood\n" + rows)
    found = error_of(*arguments(str(path), tmp_path / "out"))
    assert f"{path}" in found and message in found
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_validation_has_no_other_labels(table, tmp_path, error_of):
    path = tmp_path / "valid.tsv"
    path.write_text("text\tmood\na\tpositive\nb\tglad\n")
    command = [*arguments(table, tmp_path / "out"), "--valid", str(path)]
    assert "valid.tsv, line 3: the label 'glad' is not one of" in error_of(*command)


def test_recipes_without_labels_load(tmp_path, labelled):
    stored = json.loads((tmp_path.parent / labelled / "recipe.json").read_text())
    for key in ("label_column", "label_names"):
        del stored[key]
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(stored))
    assert RunConfiguration.load(path).label_column is None
