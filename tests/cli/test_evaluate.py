import functools
import importlib
import json
import os

import pytest

from tfvae.cli.main import main
from tfvae.evaluation.generation import generation_quality
from tfvae.training import RunFolder


def test_writes_json(run, texts, tmp_path, capsys):
    path = tmp_path / "result.json"
    arguments = ["evaluate", run, "--data", texts["valid"], "--samples", "3"]
    assert main([*arguments, "--json", str(path)]) == 0
    assert "negative ELBO" in capsys.readouterr().out
    result = json.loads(path.read_text())
    keys = """reconstruction kl nelbo nll perplexity perplexity_nelbo mi_batch mi
    mi_loo mi_batch_cap mi_cap active_units num_sentences num_tokens num_samples
    seed"""
    assert set(keys.split()) <= set(result)
    assert (result["num_sentences"], result["num_samples"]) == (20, 3)
    with open(texts["valid"]) as file:
        words = sum(len(line.split()) for line in file)
    assert result["num_tokens"] == words + 20


def test_reconstruction_and_generation(
    run, language_model, texts, tmp_path, monkeypatch, capsys
):
    # The papers' sizes would take a minute.
    few = functools.partial(generation_quality, num_distinct=25, num_ivae=20)
    few = functools.partial(few, max_length=9, num_self_bleu=5)
    module = importlib.import_module("tfvae.evaluation.evaluate")
    monkeypatch.setattr(module, "generation_quality", few)
    path = tmp_path / "result.json"
    arguments = ["evaluate", run, "--data", texts["valid"], "--json", str(path)]
    arguments += ["--metrics", "reconstruction,generation", "--num-generated", "30"]
    assert main([*arguments, "--language-model", language_model]) == 0
    printed = capsys.readouterr().out
    for name in ("BLEU-4", "reverse perplexity", "forward_perplexity: Perplexity of"):
        assert name in printed
    result = json.loads(path.read_text())
    keys = """bleu_4 bleu_coupled_2 token_error_rate forward_perplexity
    reverse_perplexity reverse_perplexity_ivae distinct_2 distinct_coupled_2 self_bleu
    unigram_kl average_length language_model_perplexity"""
    assert set(keys.split()) <= set(result)
    assert "nll" not in result and "mi" not in result
    assert result["num_samples_generated"] == 30
    assert result["num_samples_ivae"] == 20
    with open(texts["valid"], encoding="utf-8") as file:
        words = [line.split() for line in file]
    num_words = sum(map(len, words))
    assert result["num_words_reconstructed"] == num_words
    assert result["num_tokens_reverse"] == num_words + len(words)


def test_training_text_that_is_gone(run, texts, monkeypatch, error_of):
    configuration = RunFolder(run).load_configuration()
    exists = os.path.exists
    monkeypatch.setattr(
        os.path, "exists", lambda p: p != configuration.train and exists(p)
    )
    arguments = ["evaluate", run, "--data", texts["valid"], "--metrics"]
    line = error_of(*arguments, "generation")
    assert configuration.train in line and "--train" in line


def test_another_training_text(run, texts, tmp_path, error_of):
    path = tmp_path / "other.txt"
    path.write_text("xyzzy\n")
    arguments = ["evaluate", run, "--data", texts["valid"], "--metrics"]
    line = error_of(*arguments, "generation", "--train", path)
    assert "`train_texts` must hold a word" in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--metrics", "generations"], "Received: generations"),
        (["--measures", "generations"], "Received: generations"),
        (["--metrics", "all", "--num-generated", "0"], "--num-generated"),
        (["--metrics", "generation", "--language-model", "nowhere"], "no run here"),
        (["--batch-size", "0"], "--batch-size must be positive"),
        (["--train", "x.txt"], "--train is for the metrics of generation"),
        (["--num-generated", "9"], "--num-generated is for the metrics of generation"),
        (
            ["--metrics", "gradients", "--samples", "9"],
            "--samples is for the metrics of likelihood",
        ),
        (["--language-model", "x"], "--language-model is for the metrics of gen"),
        (["--samples", "-1"], "--samples must not be negative"),
        (["--seed", "-1"], "--seed must not be negative"),
    ],
)
def test_bad_option(run, texts, error_of, more, message):
    assert message in error_of("evaluate", run, "--data", texts["valid"], *more)


def test_no_latent_to_reconstruct_from(language_model, texts, error_of):
    arguments = ["evaluate", language_model, "--data", texts["valid"]]
    line = error_of(*arguments, "--metrics", "reconstruction")
    assert "'reconstruction' is not defined for the model" in line


def test_a_longer_sentence(run, tmp_path, error_of):
    path = tmp_path / "long.txt"
    path.write_text("word " * 300)
    assert "300" in error_of("evaluate", run, "--data", path)
    line = error_of("evaluate", run, "--data", path, "--max-length", "9")
    assert f"{path}, line 1: the text has 300 tokens, more than 9" in line


@pytest.mark.parametrize(
    ("rule", "num", "note"),
    [
        ("truncate", 2, "1 sentence was cut, having more than 4 tokens"),
        ("drop", 1, "1 sentence was left out, having more than 4 tokens"),
    ],
)
def test_what_becomes_of_longer_sentences(run, tmp_path, capsys, rule, num, note):
    path, out = tmp_path / "rows.csv", tmp_path / "result.json"
    path.write_text('label,"a text"\n1,the food was good .\n2,we left .\n')
    arguments = ["evaluate", run, "--data", str(path), "--column", "a text"]
    arguments += ["--max-length", "4", "--too-long", rule, "--samples", "2"]
    assert main([*arguments, "--json", str(out)]) == 0
    assert f"tfvae evaluate: note: {note}" in capsys.readouterr().err
    found = json.loads(out.read_text())
    # Words and the ends of sentences.
    assert found["num_sentences"] == num
    assert found["num_tokens"] == (5 if rule == "truncate" else 0) + 4
