"""Rows of the tables of results: what is trained, measured and kept."""

import json
import subprocess
import sys
import types

import pytest

from tests.support import ROOT, load_script
from tfvae.text import read_columns, read_lines, write_corpus


@pytest.fixture(scope="module")
def reproduce():
    return load_script("reproduce")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small corpus of the grammar, and the files of other data made of it."""
    folder = tmp_path_factory.mktemp("reproduce")
    write_corpus(folder / "corpus", num_train=192, num_valid=64, num_test=64)
    for split in ("train", "valid", "test"):
        texts = list(read_lines(folder / f"corpus/{split}.txt"))
        (folder / f"{split}.txt").write_text("\n".join(texts) + "\n")
        labels = [str(number % 2) for number in range(len(texts))]
        (folder / f"{split}.labels").write_text("\n".join(labels) + "\n")
        rows = read_columns(folder / f"corpus/{split}_pairs.tsv", ["context", "text"])
        lines = [f"{row['context']} __eou__ {row['text']}" for row in rows]
        (folder / "dialogues").mkdir(exist_ok=True)
        (folder / f"dialogues/{split}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        ("grammar", "vae", ["--budget", "4", "--seeds", "1"]),
        ("pairs", "cvae", ["--budget", "4", "--seeds", "1"]),
        ("style", "arae", ["--budget", "4", "--seeds", "1"]),
        ("ptb", "vae", ["--budget", "4", "--samples", "2"]),
        ("dialogue", "ivae_dialogue", ["--budget", "2", "--samples", "2"]),
        ("yelp", "ivae_transfer", ["--epochs", "1"]),
    ],
)
def test_a_row_has_what_its_table_shows(data, tmp_path, kind, name, options):
    out = data
    if kind not in ("grammar", "pairs", "style"):
        out = tmp_path / "runs"
        options += ["--data", str(data / ("dialogues" if kind == "dialogue" else "."))]
    command = [sys.executable, "scripts/reproduce.py", kind, "--rows", name, *options]
    command += ["--out", str(out), "--results", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    row = json.loads((tmp_path / kind / f"{name}-0.json").read_text())
    assert row["row"] == name and row["seed"] == 0
    assert row["command"].startswith(f"scripts/reproduce.py {kind}")
    assert str(data) not in json.dumps(row)
    columns = load_script("results").COLUMNS[kind]
    # Those that only some presets have, or answers that can be parsed.
    optional = {"critic_elbo", "nelbo_minus_log_copula", "active_units", "kl", "mi"}
    optional |= {"nelbo", "latent_gain", "sentiment_kl"}
    assert set(columns) - optional <= set(row["metrics"])
    if kind in ("pairs", "dialogue"):
        assert all(len(written) == 5 for _, written in row["shown"])
        assert len(row["shown"]) == 10
    if kind == "yelp":
        assert len(row["shown"]) == 40


def test_labels_are_written_with_the_other_one(reproduce, tmp_path):
    class Model:
        label_names = ("bad", "fine", "good")

        def transfer(self, texts, labels):
            return [
                f"{text} {label}" for text, label in zip(texts, labels, strict=True)
            ]

    configuration = types.SimpleNamespace(label_column="label")
    path = tmp_path / "rows.tsv"
    path.write_text("text\tlabel\na .\tgood\nb .\tbad\n")
    texts, targets, written = reproduce.transferred(Model(), path, configuration)
    assert texts == ["a .", "a .", "b .", "b ."]
    assert targets == ["bad", "fine", "fine", "good"]
    assert written == ["a . bad", "a . fine", "b . fine", "b . good"]


@pytest.mark.parametrize(
    ("max_turns", "read"),
    [(None, "c"), (1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])],
)
def test_contexts_have_as_many_turns_as_are_read(reproduce, tmp_path, max_turns, read):
    class Model:
        def respond(self, contexts, num):
            return [["so ."] * num for _ in contexts]

    configuration = types.SimpleNamespace(max_turns=max_turns)
    path = tmp_path / "rows.jsonl"
    row = json.dumps({"context": ["a", "b", "c"]})
    path.write_text(f"{row}\n" * 12)
    contexts, written = reproduce.responses(Model(), path, configuration)
    assert contexts == [read] * 10 and written == [["so ."] * 5] * 10


def test_a_bound_below_the_entropy_is_said(reproduce):
    metrics = {"nll_above_entropy": -0.5, "nll_above_entropy_se": 0.1}
    assert reproduce.below(metrics) == ["nll lies below the entropy"]
    assert reproduce.below(metrics | {"nll_above_entropy_se": 0.2}) == []
    assert reproduce.below({"nelbo_above_entropy": 0.1}) == []
