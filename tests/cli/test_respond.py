import json

import pytest

from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.text import default_grammar
from tfvae.training import RunConfiguration, RunFolder
from tfvae.training.run_folder import NEW_STATE


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """The path of a table of 20 questions and answers."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    rows = [f"{p.context}\t{p.text}\n" for p in default_grammar().sample_pairs(20, 1)]
    path.write_text("context\ttext\n" + "".join(rows), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def answering(pairs, tmp_path_factory):
    """The folder of a run of a tiny conditional VAE that has its initial weights."""
    configuration = RunConfiguration(
        "cvae", pairs, context_column="context", overrides=TINY, xla=False
    )
    run = RunFolder(tmp_path_factory.mktemp("runs") / "cvae")
    run.create(configuration)
    run.save_state({**NEW_STATE, "epoch": 1, "best_epoch": 1, "finished": True})
    tokenizer = configuration.training_batches(None).tokenizer
    configuration.make_model(tokenizer, 1).save(run.model)
    return run.path


def test_answers_one_context(answering, capsys):
    arguments = ["respond", answering, "did the chef cook ?", "--num", "3"]
    arguments += ["--max-written", "4"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert len(first.splitlines()) == 3
    assert all(len(line.split()) <= 4 for line in first.splitlines())
    assert main(arguments) == 0 and capsys.readouterr().out == first
    assert main([*arguments, "--seed", "1"]) == 0
    assert capsys.readouterr().out != first


def test_answers_a_table(answering, tmp_path, capsys):
    # It needs no answers.
    table = tmp_path / "asked.csv"
    table.write_text("n,question\n1,did the chef cook ?\n2,who ?\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    arguments = ["respond", answering, "--data", str(table), "--num", "2", "--greedy"]
    arguments += ["--context-column", "question", "--max-written", "3"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["context"] for row in rows] == [["did the chef cook ?"], ["who ?"]]
    assert [len(row["responses"]) for row in rows] == [2, 2]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  did the chef cook ?" and lines[3] == "  who ?"
    written = [f"> {each}" for row in rows for each in row["responses"]]
    assert lines[1:3] + lines[4:] == written


def test_refusals(answering, run, texts, pairs, error_of):
    assert "Give the turns of one context" in error_of("respond", answering)
    line = error_of("respond", answering, "a", "--data", pairs)
    assert "Give the turns of one context" in line
    assert "contexts of one text. Received: 2" in error_of(
        "respond", answering, "a", "b"
    )
    assert "needs words" in error_of("respond", answering, "")
    line = error_of("respond", run, "a")
    assert "trained without contexts" in line and "--context-column" in line
    line = error_of("respond", answering, "--data", texts["valid"])
    assert "a text file has no columns for contexts" in line
    line = error_of("respond", answering, "--data", pairs, "--context-column", "no")
    assert "no column 'no'" in line


def test_what_reads_no_contexts_says_what_does(answering, pairs, error_of, tmp_path):
    for arguments in (
        ["generate", answering],
        ["reconstruct", answering, "--data", pairs],
        ["interpolate", answering, "a", "b"],
        ["interpolate", answering, "--prior"],
        ["encode", answering, "--data", pairs, "--out", tmp_path / "codes.npz"],
        ["neighbours", answering, "--data", pairs, "--query", "a"],
        ["report", answering, "--out", tmp_path / "report.html"],
        ["export", answering, "--to", tmp_path / "saved", "--unfinished"],
    ):
        assert "`tfvae respond`" in error_of(*arguments), arguments
    assert list(tmp_path.iterdir()) == []


def test_is_evaluated(answering, pairs, json_of):
    result = json_of("evaluate", answering, "--data", pairs, "--samples", "2")
    assert result["nll_method"] == "importance_weighted"
    assert {"context_gain", "context_gain_se", "mi_with_context"} <= set(result)
    assert not {"mi", "marginal_kl"} & set(result)
