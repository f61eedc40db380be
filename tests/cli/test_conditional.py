import json
import os
import shutil

import numpy as np
import pytest

from tests.serving.support import spread
from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.evaluation.neighbours import neighbours
from tfvae.models import writing
from tfvae.text import default_grammar
from tfvae.text.readers import read_records
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
    return untrained("cvae", pairs, tmp_path_factory, max_context_length=20)


@pytest.fixture(scope="session")
def dialogues(tmp_path_factory):
    """The folder of a run of a tiny VAE that reads two turns."""
    table = tmp_path_factory.mktemp("dialogues") / "dialogues.jsonl"
    rows = [{"context": ["who knows ?", "is it late ?"], "text": "so go ."}] * 4
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return untrained("cvae", str(table), tmp_path_factory, max_turns=2)


def untrained(preset, table, tmp_path_factory, **options):
    """Writes the folder of a run of larger initial weights; returns its path."""
    configuration = RunConfiguration(
        preset, table, context_column="context", overrides=TINY, **options
    )
    run = RunFolder(tmp_path_factory.mktemp("runs") / preset)
    run.create(configuration)
    run.save_state({**NEW_STATE, "epoch": 1, "best_epoch": 1, "finished": True})
    tokenizer = configuration.training_batches(None).tokenizer
    model = configuration.make_model(tokenizer, 1)
    spread(model)
    model.save(run.model)
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
    line = error_of("respond", answering, "a", "--label-column", "topic")
    assert line.startswith("tfvae respond: error: --label-column: this is about")
    line = error_of("respond", answering, "--data", pairs, "--label-column", "topic")
    assert "the run reads no labels. Leave --label-column out." in line
    line = error_of("respond", answering, "--data", pairs, "--context-column", "no")
    assert "no column 'no'" in line
    # It would hold lines of JSON.
    line = error_of("respond", answering, "a", "--out", "answers.tsv")
    assert "--out must end in .jsonl. Received: answers.tsv" in line


def test_what_writes_without_contexts_says_what_does(answering, error_of, tmp_path):
    for arguments in (
        ["generate", answering],
        ["generate", answering, "--out", tmp_path / "out.txt"],
    ):
        assert "`tfvae respond`" in error_of(*arguments), arguments
    assert list(tmp_path.iterdir()) == []


def test_long_contexts(answering, tmp_path, capsys, error_of):
    long = "who " * 21
    assert "21 tokens, more than 20" in error_of("respond", answering, long)
    write, greedy = ["respond", answering], ["--greedy", "--max-written", "5"]
    assert main([*write, long, *greedy, "--too-long", "truncate"]) == 0
    cut = capsys.readouterr().out
    assert main([*write, long[:-5], *greedy]) == 0 and capsys.readouterr().out == cut
    table = tmp_path / "asked.tsv"
    table.write_text(f"context\nwho ?\n{long}\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    line = error_of(*write, "--data", table, "--out", out)
    assert f"{table}, line 3: the context has 21 tokens" in line
    # What was there stays.
    assert out.read_text() == "mine"
    more = ["--data", str(table), "--too-long", "truncate"]
    assert main([*write, *more, *greedy]) == 0
    assert "1 context was longer than the run's, and cut." in capsys.readouterr().err


def test_turns(dialogues, error_of, capsys, tmp_path):
    write, greedy = ["respond", dialogues], ["--greedy", "--max-written", "5"]
    turns = ["who knows ?", "so go .", "is it late ?"]
    line = error_of(*write, *turns)
    assert "The context: the context has 3 turns, more than 2" in line
    assert "--too-long truncate" in line
    assert main([*write, *turns, *greedy, "--too-long", "truncate"]) == 0
    cut = capsys.readouterr().out
    assert main([*write, *turns[1:], *greedy]) == 0 and capsys.readouterr().out == cut
    assert "a context needs words. Received: ' '" in error_of(*write, " ", "a")
    table = tmp_path / "asked.jsonl"
    rows = [{"context": turns[:2]}, {"context": turns}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = error_of(*write, "--data", table)
    assert f"{table}, line 2: the context has 3 turns" in line
    table.write_text('{"context": ["a", ""]}\n')
    assert "line 1: the context is empty" in error_of(*write, "--data", table)


def test_codes_are_of_sentences_in_their_contexts(
    answering, pairs, tmp_path, capsys, json_of
):
    model = RunFolder(answering).load_model()
    rows = [row for _, row in read_records(pairs, context_column="context")]
    texts, contexts = ([row[key] for row in rows] for key in ("text", "context"))
    codes = model.encode(texts, contexts=contexts)
    assert np.abs(codes - model.encode(texts, contexts=contexts[::-1])).max() > 1e-4
    out = tmp_path / "codes.npz"
    assert main(["encode", answering, "--data", pairs, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: written, sentences: 20\n"
    with np.load(out) as arrays:
        np.testing.assert_allclose(arrays["codes"], codes, atol=1e-6)
        assert arrays["lines"].tolist() == list(range(2, 22))
    more = ["--num", "3", "--max-written", "5"]
    found = json_of("reconstruct", answering, "--data", pairs, *more)
    pairs_of = writing.reconstruct(model, rows[:3], max_length=5, max_read=60)
    assert found == [
        {"line": line, **row, "reconstruction": text}
        for line, row, (_, text) in zip((2, 3, 4), rows, pairs_of, strict=False)
    ]
    turn = ["--turn", contexts[0]]
    index = str(tmp_path / "index.npz")
    search = ["neighbours", answering, "--data", pairs, "--index", index]
    search += ["--query", texts[0], *turn, "--num", "4"]
    (found,) = json_of(*search)
    (wanted,) = neighbours(
        model, texts, texts[0], 4, contexts=contexts, query_contexts=contexts[:1]
    )
    assert [row["text"] for row in found["neighbours"]] == [text for text, _ in wanted]
    nearest = found["neighbours"][0]
    assert rows[nearest["line"] - 2] == {k: nearest[k] for k in ("text", "context")}
    # The index is used again, by itself too.
    for again in (search, search[:2] + search[4:]):
        (kept,) = json_of(*again)
        for one, other in zip(kept["neighbours"], found["neighbours"], strict=True):
            assert one.pop("cosine") == pytest.approx(other["cosine"], abs=1e-6)
            assert one == {k: v for k, v in other.items() if k != "cosine"}
    steps = ["--steps", "3", "--max-written", "5"]
    found = json_of("interpolate", answering, *texts[:2], *turn, *steps)
    wanted = model.interpolate(
        *texts[:2], context=contexts[0], num_steps=3, max_length=5
    )
    assert [row["text"] for row in found] == wanted
    found = json_of("interpolate", answering, "--prior", *turn, *steps)
    assert len(found) == 3


def test_contexts_are_missing_or_not_wanted(answering, run, pairs, error_of, tmp_path):
    for arguments in (
        ["interpolate", answering, "a", "b"],
        ["interpolate", answering, "--prior"],
        ["neighbours", answering, "--data", pairs, "--query", "a"],
    ):
        assert "Give its turns by --turn" in error_of(*arguments), arguments
    line = error_of("interpolate", run, "a", "b", "--turn", "c")
    assert "reads no context. Leave --turn out" in line
    line = error_of("interpolate", answering, "a", "b", "--turn", "c", "--turn", "d")
    assert "contexts of one text. Received: 2 turns" in line
    table = tmp_path / "answers.tsv"
    table.write_text("text\nso go .\n", encoding="utf-8")
    out = tmp_path / "codes.npz"
    line = error_of("encode", answering, "--data", table, "--out", out)
    assert "no column 'context'. Columns: text" in line and not out.exists()
    (tmp_path / "answers.txt").write_text("so go .\n")
    line = error_of("reconstruct", answering, "--data", tmp_path / "answers.txt")
    assert "a text file has no columns" in line
    line = error_of("respond", answering, "a", "--context-column", "b")
    assert "--context-column: this is about" in line
    assert "--top-p does not go" in error_of(
        "respond", answering, "a", "--greedy", "--top-p", "0.5"
    )


def test_a_truncated_model(answering, error_of, tmp_path, monkeypatch):
    monkeypatch.undo()
    shutil.copytree(answering, tmp_path / "run")
    model = RunFolder(tmp_path / "run").model
    size = os.path.getsize(model)
    os.truncate(model, size // 2)
    assert "model.keras" in error_of("respond", tmp_path / "run", "who ?")


def test_is_evaluated(answering, pairs, json_of):
    result = json_of("evaluate", answering, "--data", pairs, "--samples", "2")
    assert result["nll_method"] == "importance_weighted"
    assert {"context_gain", "context_gain_se", "mi_with_context"} <= set(result)
    assert not {"mi", "marginal_kl"} & set(result)


def test_its_responses_are_measured(answering, pairs, json_of, tmp_path):
    arguments = ["evaluate", answering, "--data", pairs, "--metrics", "responses"]
    arguments += ["--num-responses", "2"]
    result = json_of(*arguments)
    assert (result["num_responses"], result["num_contexts"]) == (2, 20)
    assert result["embedding"].startswith("ppmi-svd ")
    assert result["embedding"].endswith(", training text")
    assert "bow_greedy_random" in result and "nll" not in result
    path = tmp_path / "vectors.txt"
    path.write_text("yes 1.0 2.0\nsure 0.5 -1.0\n", encoding="utf-8")
    again = json_of(*arguments, "--embeddings", str(path))
    assert again["embedding"] == str(path)
    assert again["embedding_coverage"] < 0.2
    assert again["response_bleu_recall"] == result["response_bleu_recall"]
    table = tmp_path / "asked.tsv"
    with open(pairs, encoding="utf-8") as file:
        table.write_text(file.read().replace("context", "asked", 1), encoding="utf-8")
    arguments[arguments.index(pairs)] = str(table)
    assert json_of(*arguments, "--context-column", "asked") == result


def test_bad_data_for_responses(answering, run, texts, pairs, tmp_path, error_of):
    table, vectors = tmp_path / "pairs.tsv", tmp_path / "vectors.txt"
    arguments = ["evaluate", answering, "--data", table]
    for content, message in (
        ("text\nyes .\n", f"{table}, line 1: no column 'context'"),
        ("context\ttext\n", f"{table}: the file holds no row"),
        ("context\ttext\n\tyes .\n", f"{table}, line 2: the context is empty"),
    ):
        table.write_text(content, encoding="utf-8")
        assert message in error_of(*arguments)
        report = ["report", answering, "--data", table]
        assert message in error_of(*report, "--out", tmp_path / "report.html")
    arguments = ["evaluate", answering, "--data", pairs, "--metrics", "responses"]
    for content, message in (
        ("xyzzy 1.0 2.0\n", "no vector for any of the"),
        ("", "no vector for any of the"),
        ("yes 1.0 2.0\nsure 0.5\n", "line 2: a word and 2 numbers are needed"),
        ("yes 1.0 2.0\nsure 0.5 1.5 2.5\n", "line 2: a word and 2 numbers"),
    ):
        vectors.write_text(content, encoding="utf-8")
        line = error_of(*arguments, "--embeddings", vectors)
        assert f"{vectors}" in line and message in line
    missing = tmp_path / "none.txt"
    assert f"{missing}: no such file" in error_of(*arguments, "--embeddings", missing)
    line = error_of(*arguments, "--num-responses", "0")
    assert "--num-responses must be positive" in line
    line = error_of(*arguments[:-2], "--num-responses", "3")
    assert "--num-responses is for the metrics of responses" in line
    plain = ["evaluate", run, "--data", texts["valid"]]
    line = error_of(*plain, "--metrics", "responses")
    assert "'responses' is not defined" in line and "--context-column" in line
    line = error_of(*plain, "--context-column", "context")
    assert "the run reads no contexts" in line


def test_a_report_shows_its_responses(answering, pairs, tmp_path):
    page, kept = tmp_path / "report.html", tmp_path / "metrics.json"
    arguments = ["report", answering, "--out", str(page)]
    assert main(arguments) == 0
    alone = page.read_text("utf-8")
    assert "<h3>Responses</h3>" not in alone and "<h3>Samples</h3>" not in alone
    arguments += ["--data", pairs, "--samples", "2", "--num-responses", "2"]
    assert main([*arguments, "--num-read", "2", "--json", str(kept)]) == 0
    metrics = json.loads(kept.read_text("utf-8"))
    assert {"nll", "context_gain", "response_bleu_f1", "bow_average"} <= set(metrics)
    shown = page.read_text("utf-8")
    assert "<h3>Responses</h3>" in shown and 'data-key="inter_dist_2"' in shown
    assert 'id="latent"' not in shown and "<h3>Interpolations</h3>" not in shown
    with open(pairs, encoding="utf-8") as file:
        rows = [line.rstrip().split("\t") for line in list(file)[1:]]
    read = [row for row in rows if all(f"<dd>{text}</dd>" in shown for text in row)]
    assert len(read) >= 2
