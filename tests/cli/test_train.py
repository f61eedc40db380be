import json

import pytest

from tests.training.conftest import TINY
from tfvae.cli.main import main

_SIZES = [f"{key}={value}" for key, value in TINY.items()]


def _arguments(texts, out, *more):
    arguments = ["train", "vae", "--train", texts["train"], "--valid", texts["valid"]]
    arguments += ["--out", str(out), "--no-xla", "--quiet", "--epochs", "1"]
    return [*arguments, "--batch-size", "8", "--set", *_SIZES, *more]


def test_says_what_is_next_and_keeps_the_run(texts, tmp_path, capsys, error_of):
    out = tmp_path / "run"
    assert main(_arguments(texts, out)) == 0
    printed = capsys.readouterr().out
    assert f"tfvae evaluate {out}" in printed
    before = (out / "model.keras").read_bytes()
    assert "holds a run already" in error_of(*_arguments(texts, out))
    assert (out / "model.keras").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sentence"),
        (b"\n \n", "holds no sentence"),
        (b"fine\n\xff\xfe bad\n", "line 2: not UTF-8"),
        (b"a b\nc d e f g\n", "max_length"),
    ],
)
def test_bad_text(tmp_path, error_of, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    out = tmp_path / "run"
    arguments = ["train", "vae", "--train", path, "--out", out, "--max-length", "4"]
    assert message in error_of(*arguments)
    assert not out.exists()


def test_missing_text(tmp_path, error_of):
    line = error_of("train", "vae", "--train", "nowhere.txt", "--out", tmp_path)
    assert "nowhere.txt: no such file" in line


def test_missing_column(tmp_path, error_of):
    path = tmp_path / "rows.tsv"
    path.write_text("sentence\tlabel\nhello there\t1\n")
    arguments = ["train", "vae", "--train", path, "--out", tmp_path / "run"]
    line = error_of(*arguments, "--column", "sentense")
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
def test_bad_option(texts, tmp_path, error_of, more, message):
    assert message in error_of(*_arguments(texts, tmp_path / "run", *more))
    assert not (tmp_path / "run").exists()


def test_unknown_preset(tmp_path, error_of):
    line = error_of("train", "vea", "--train", "x", "--out", tmp_path / "run")
    assert "Did you mean 'vae'?" in line


def test_presets_lists_everything(capsys, tmp_path):
    path = tmp_path / "presets.json"
    assert main(["presets", "--keys", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    for word in ("cyclical_vae", "copula", "latent_dim", "beta=0.8"):
        assert word in printed
    found = json.loads(path.read_text())
    assert found["presets"]["beta_vae"]["options"] == {"beta": 0.8}
    assert set(found) == {"presets", "settings"}
