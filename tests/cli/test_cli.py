import json
import os
import subprocess
import sys

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.cli.main import main

_SIZES = [f"{key}={value}" for key, value in TINY.items()]


def _train(texts, out, *more):
    arguments = ["train", "vae", "--train", texts["train"], "--valid", texts["valid"]]
    arguments += ["--out", str(out), "--no-xla", "--quiet", "--epochs", "1"]
    return main([*arguments, "--batch-size", "8", "--set", *_SIZES, *more])


@pytest.fixture(scope="module")
def run(texts, tmp_path_factory):
    """The folder of a tiny trained run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert _train(texts, folder) == 0
    return str(folder)


def _error(capsys, status):
    """Checks that a command failed by one line and gives that line."""
    assert status == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and ": error: " in lines[0]
    return lines[0]


def test_train_says_what_is_next(texts, tmp_path, capsys):
    assert _train(texts, tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert f"tfvae evaluate {tmp_path / 'run'}" in printed


def test_presets_lists_everything(capsys):
    assert main(["presets", "--keys"]) == 0
    printed = capsys.readouterr().out
    for word in ("cyclical_vae", "copula", "latent_dim", "beta=0.8"):
        assert word in printed


def test_evaluate_writes_json(run, texts, tmp_path, capsys):
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


def test_generate_is_reproducible(run, capsys):
    main(["generate", run, "--num", "3", "--seed", "5", "--json", "-"])
    first = json.loads(capsys.readouterr().out)
    main(["generate", run, "--num", "3", "--seed", "5", "--json", "-"])
    assert json.loads(capsys.readouterr().out) == first
    main(["generate", run, "--num", "3", "--seed", "6", "--json", "-"])
    assert json.loads(capsys.readouterr().out)["texts"] != first["texts"]
    assert len(first["texts"]) == 3


def test_generate_greedy(run, capsys):
    assert main(["generate", run, "--num", "2", "--greedy", "--max-length", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(len(line.split()) <= 4 for line in lines)


def test_reconstruct_pairs_lines(run, texts, capsys):
    main(["reconstruct", run, "--data", texts["valid"], "--num", "4", "--json", "-"])
    pairs = json.loads(capsys.readouterr().out)
    with open(texts["valid"]) as file:
        assert [pair["text"] for pair in pairs] == file.read().splitlines()[:4]


def test_interpolate_has_both_ends(run, capsys):
    texts = ["the waiter was kind .", "we left ."]
    main(["interpolate", run, *texts, "--steps", "3", "--json", "-"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["fraction"] for row in rows] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sentence"),
        (b"\n \n", "holds no sentence"),
        (b"fine\n\xff\xfe bad\n", "line 2: not UTF-8"),
        (b"a b\nc d e f g\n", "max_length"),
    ],
)
def test_bad_text(tmp_path, capsys, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    out = tmp_path / "run"
    status = main(
        ["train", "vae", "--train", str(path), "--out", str(out), "--max-length", "4"]
    )
    assert message in _error(capsys, status)
    assert not out.exists()


def test_missing_text(tmp_path, capsys):
    status = main(["train", "vae", "--train", "nowhere.txt", "--out", str(tmp_path)])
    assert "nowhere.txt: no such file" in _error(capsys, status)


def test_missing_column(tmp_path, capsys):
    path = tmp_path / "rows.tsv"
    path.write_text("sentence\tlabel\nhello there\t1\n")
    arguments = ["train", "vae", "--train", str(path), "--out", str(tmp_path / "run")]
    line = _error(capsys, main([*arguments, "--column", "sentense"]))
    assert "no column 'sentense'" in line and "Did you mean 'sentence'?" in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "laten_dim=3"], "Did you mean 'latent_dim'?"),
        (["--set", "latent_dim"], "--set takes KEY=VALUE"),
        (["--setting", "copla"], "Did you mean 'copula'?"),
        (["--batch-size", "1000"], "batch_size"),
        (["--resume"], "no run to resume"),
    ],
)
def test_bad_option(texts, tmp_path, capsys, more, message):
    line = _error(capsys, _train(texts, tmp_path / "run", *more))
    assert message in line
    assert not (tmp_path / "run").exists()


def test_unknown_preset(tmp_path, capsys):
    status = main(["train", "vea", "--train", "x", "--out", str(tmp_path / "run")])
    assert "Did you mean 'vae'?" in _error(capsys, status)


def test_folder_of_another_run(run, texts, capsys):
    with open(os.path.join(run, "model.keras"), "rb") as file:
        before = file.read()
    assert "holds a run already" in _error(capsys, _train(texts, run))
    with open(os.path.join(run, "model.keras"), "rb") as file:
        assert file.read() == before


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_model(run, tmp_path, capsys, share):
    with open(os.path.join(run, "model.keras"), "rb") as file:
        content = file.read()
    (tmp_path / "model.keras").write_bytes(content[: int(len(content) * share)])
    with open(os.path.join(run, "recipe.json")) as file:
        (tmp_path / "recipe.json").write_text(file.read())
    status = main(["generate", str(tmp_path), "--num", "1"])
    assert "damaged" in _error(capsys, status)


def test_no_run_in_folder(tmp_path, capsys):
    status = main(["generate", str(tmp_path), "--num", "1"])
    assert "no run here" in _error(capsys, status)


@pytest.mark.parametrize(
    "arguments", [["--num", "0"], ["--temperature", "0"], ["--max-length", "0"]]
)
def test_bad_generation(run, capsys, arguments):
    assert arguments[1] in _error(capsys, main(["generate", run, *arguments]))


def test_interpolation_needs_words(run, capsys):
    status = main(["interpolate", run, "  ", "fine"])
    assert "needs words" in _error(capsys, status)


def test_evaluation_of_a_longer_sentence(run, tmp_path, capsys):
    path = tmp_path / "long.txt"
    path.write_text("word " * 300)
    status = main(["evaluate", run, "--data", str(path)])
    assert "300" in _error(capsys, status)


def test_module_answers_help_without_tensorflow():
    code = "import sys, tfvae.cli.main; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_runs_as_a_module():
    command = [sys.executable, "-m", "tfvae", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    for name in ("presets", "train", "evaluate", "generate", "reconstruct"):
        assert name in done.stdout
