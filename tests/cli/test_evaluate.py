import functools
import json
import os
import sys

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.cli.main import main
from tfvae.evaluation import measures
from tfvae.evaluation.generation import generation_quality
from tfvae.text import read_texts
from tfvae.training import Recipe, RunFolder
from tfvae.training.run_folder import save_model


def _untrained(preset, texts, out):
    """Makes the folder of a run of a tiny model with its initial weights."""
    recipe = Recipe(preset=preset, train=texts["train"], overrides=TINY, xla=False)
    tokenizer = recipe.make_tokenizer()
    tokenizer.adapt(read_texts(texts["train"]))
    folder = RunFolder(out)
    folder.create(recipe)
    save_model(recipe.make_model(tokenizer, steps_per_epoch=1), folder.model)
    return folder.path


@pytest.fixture(scope="module")
def runs(texts, tmp_path_factory):
    """Folders of a tiny VAE and a tiny language model."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        preset: _untrained(preset, texts, folder / preset)
        for preset in ("vae", "language_model")
    }


def _error(capsys, status):
    """Checks that a command failed by one line and gives that line."""
    assert status == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and ": error: " in lines[0]
    return lines[0]


def test_reconstruction_and_generation(runs, texts, tmp_path, monkeypatch, capsys):
    # The papers' sizes would take a minute.
    few = functools.partial(generation_quality, num_distinct=25, num_ivae=20)
    few = functools.partial(few, max_length=9, num_self_bleu=5)
    monkeypatch.setattr(measures, "generation_quality", few)
    path = tmp_path / "result.json"
    arguments = ["evaluate", runs["vae"], "--data", texts["valid"], "--json", str(path)]
    arguments += ["--measures", "reconstruction,generation", "--num-generated", "30"]
    assert main([*arguments, "--language-model", runs["language_model"]]) == 0
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


def test_training_text_that_is_gone(runs, texts, monkeypatch, capsys):
    arguments = ["evaluate", runs["vae"], "--data", texts["valid"], "--measures"]
    recipe = RunFolder(runs["vae"]).load_recipe()
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda p: p != recipe.train and exists(p))
    line = _error(capsys, main([*arguments, "generation"]))
    assert recipe.train in line and "--train" in line


def test_another_training_text(runs, texts, tmp_path, capsys):
    path = tmp_path / "other.txt"
    path.write_text("xyzzy\n")
    arguments = ["evaluate", runs["vae"], "--data", texts["valid"], "--measures"]
    status = main([*arguments, "generation", "--train", str(path)])
    assert "`train_texts` must hold a word" in _error(capsys, status)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--measures", "generations"], "Received: generations"),
        (["--measures", "all", "--num-generated", "0"], "--num-generated"),
        (["--measures", "generation", "--kenlm"], "KenLM"),
        (["--measures", "generation", "--language-model", "nowhere"], "no run here"),
        (["--batch-size", "0"], "--batch-size"),
    ],
)
def test_bad_option(runs, texts, monkeypatch, capsys, more, message):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    arguments = ["evaluate", runs["vae"], "--data", texts["valid"]]
    assert message in _error(capsys, main([*arguments, *more]))


def test_no_latent_to_reconstruct_from(runs, texts, capsys):
    arguments = ["evaluate", runs["language_model"], "--data", texts["valid"]]
    status = main([*arguments, "--measures", "reconstruction"])
    assert "no reconstruction to measure" in _error(capsys, status)
