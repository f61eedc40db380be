"""Runs on labelled sentences: what commands make of a label's name."""

import itertools
import json

import numpy as np
import pytest

from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.models import writing
from tfvae.reporting import collect_runs, read_labelled
from tfvae.text import ATTRIBUTES, default_grammar
from tfvae.text.readers import read_records
from tfvae.training import RunConfiguration, RunFolder
from tfvae.training.run_folder import NEW_STATE

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
        *["train", preset, "--train", table, "--out", str(out)],
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


def test_writes_from_posteriors_with_labels(labelled, style, table, capsys, error_of):
    rows = [row for _, row in read_records(table, label_column="mood")]
    texts, own = zip(*[(row["text"], row["label"]) for row in rows], strict=True)
    write = ["--data", table, "--greedy", "--max-written", "5", "--num", "45"]
    for folder in (labelled, style):
        model = RunFolder(folder).load_model()
        given = [folder, "--from", "posterior", *write]
        assert main(["generate", *given]) == 0
        shown = capsys.readouterr().out.splitlines()
        # The codes of `writing.posterior_codes`, which begin again after 40 sentences.
        drawn = itertools.islice(writing.posterior_codes(model, rows), 45)
        z = np.stack(list(drawn))
        assert shown == model.decode(z, labels=(own * 2)[:45], max_length=5)
        assert main(["generate", *given, "--label", "negative"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown == model.decode(z, labels=["negative"] * 45, max_length=5)
    assert main(["generate", labelled, "--from", "aggregate", *write]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 45
    assert set(texts) and "one of negative" in error_of("generate", labelled)


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
    assert "by --label, one of negative, neutral" in error_of(*search)
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tmood\na\tsad\n")
    line = error_of("encode", labelled, "--data", bad, "--out", out)
    assert "bad.tsv, line 2: The label must be one of negative, neutral" in line


def test_begins_from_a_run_of_the_same_labels(labelled, table, tmp_path, error_of):
    other = tmp_path / "other.tsv"
    rows = "the chef .\tgood\nthe soup .\tbad\n" * 4
    other.write_text("text\tmood\n" + rows)
    command = arguments(str(other), tmp_path / "out")
    found = error_of(*command, "--from", labelled)
    assert f"{labelled}: the labels of that run are not those of the new one" in found
    assert "negative, neutral, positive against bad, good" in found
    again = arguments(table, tmp_path / "again")
    assert main([*again, "--from", labelled]) == 0


def test_reports_sentences_with_each_label(style, labelled, table, tmp_path, capsys):
    out = tmp_path / "page.html"
    command = ["report", style, labelled, "--out", str(out), "--num-read", "2"]
    assert main(command) == 0
    page = out.read_text("utf-8")
    assert "Sentences with each label" in page and "<h3>Transfers</h3>" not in page
    assert all(f"<dt>label</dt><dd>{name}</dd>" in page for name in NAMES)
    measured = ["--data", table, "--metrics", "transfer", "--json", "-"]
    capsys.readouterr()
    assert main([*command, *measured]) == 0
    found = json.loads(capsys.readouterr().out)["style"]
    assert found["num_transferred"] == 80
    # The classifier has read the training sentences with their labels.
    assert found["transfer_classifier_accuracy"] == 1.0
    page = out.read_text("utf-8")
    assert "<h3>Transfers</h3>" in page and "<h3>Reconstructions</h3>" in page
    records = collect_runs(
        [style, labelled],
        read_labelled(table, label_column="mood"),
        groups="none",
        max_length=20,
        num_read=2,
    )
    samples, others = (record.samples for record in records)
    model = RunFolder(style).load_model()
    assert [name for name, _ in samples.labelled] == NAMES
    assert len(samples.transferred) == 2 and not others.transferred
    for text, own, written in samples.transferred:
        assert [name for name, _ in written] == [n for n in NAMES if n != own]
        for name, again in written:
            assert model.transfer([text], name, max_length=20) == [again]


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


@pytest.fixture(scope="module")
def style(table, tmp_path_factory):
    """The folder of a run of a tiny `arae` that has its initial weights."""
    configuration = RunConfiguration(
        "arae", table, label_column="mood", overrides=TINY, xla=False
    )
    run = RunFolder(tmp_path_factory.mktemp("runs") / "style")
    run.create(configuration)
    run.save_state({**NEW_STATE, "epoch": 1, "best_epoch": 1, "finished": True})
    tokenizer = configuration.training_batches(None).tokenizer
    configuration.make_model(tokenizer, 1).save(run.model)
    return run.path


def test_transfers_sentences(style, table, tmp_path, capsys):
    command = ["transfer", style, "--max-written", "6", "--to", "negative"]
    text = "the chef happily served the soup ."
    assert main([*command, text, text]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0] == lines[1]
    assert main(["transfer", style, text, *command[2:]]) == 0
    assert capsys.readouterr().out.splitlines() == lines[:1]
    assert main([*command, "--data", table]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 80 and all(line.startswith("> ") for line in shown[1::2])
    out = tmp_path / "out.jsonl"
    assert main([*command, "--data", table, "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [f"  {row['text']}" for row in rows] == shown[::2]
    assert [f"> {row['transferred']}" for row in rows] == shown[1::2]
    assert {row["label"] for row in rows} == {"negative"}


def test_refuses_what_it_cannot_transfer(style, labelled, run, error_of):
    found = error_of("transfer", style, "--to", "sad", "a")
    assert "must be one of negative, neutral, positive" in found
    assert "or a file of them by --data" in error_of("transfer", style, "--to", "sad")
    found = error_of("transfer", labelled, "--to", "negative", "a")
    assert "posterior of this model reads the label" in found
    found = error_of("transfer", run, "--to", "negative", "a")
    assert "--label-column" in found


def test_evaluates_transfer(style, table, json_of, capsys):
    command = ["evaluate", style, "--data", table, "--metrics", "transfer"]
    result = json_of(*command)
    assert result["num_transferred"] == 80
    assert len(result["transfer_directions"]) == 6
    assert 0.0 <= result["transfer_accuracy"] <= 1.0
    # What the classifier was trained on is known by heart here.
    assert result["transfer_classifier_accuracy"] == 1.0
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "negative to positive" in shown and "transfer accuracy" in shown


def test_labels_beside_sentences(labelled, table, tmp_path, json_of, error_of, capsys):
    rows = json_of("reconstruct", labelled, "--data", table, "--max-written", "5")
    assert len(rows) == 40 and rows[0]["label"] in NAMES
    ends = ["interpolate", labelled, "the chef .", "the soup .", "--steps", "3"]
    assert "Give it by --label, one of negative" in error_of(*ends)
    assert len(json_of(*ends, "--label", "neutral", "--max-written", "5")) == 3
    out = tmp_path / "codes.tsv"
    assert main(["encode", labelled, "--data", table, "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 41
    capsys.readouterr()
    other = tmp_path / "other.tsv"
    other.write_text("text\tkind\nthe chef .\tsad\n")
    command = ["reconstruct", labelled, "--data", str(other), "--label-column", "kind"]
    assert "other.tsv, line 2: The label must be one of" in error_of(*command)
    other.write_text("text\tkind\nthe chef .\tneutral\n")
    assert len(json_of(*command)) == 1


def test_a_preset_of_styles_needs_labels(table, tmp_path, error_of):
    command = ["train", "arae", "--train", table, "--out", str(tmp_path / "out")]
    assert "tells labels apart. Give `label_column` (--label-column)" in error_of(
        *command
    )
