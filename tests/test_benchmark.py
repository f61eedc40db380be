"""Speed beside another program's."""

import json
import shlex
import sys

import numpy as np
import pytest

from tests.support import load_script
from tfvae.text import write_corpus

SMALL = ["embedding_dim=4", "encoder_dim=4", "decoder_dim=4", "latent_dim=2"]


@pytest.fixture(scope="module")
def benchmark():
    return load_script("benchmark")


@pytest.fixture
def run(benchmark, tmp_path, monkeypatch):
    """Runs the script on a small corpus and returns what it wrote."""
    write_corpus(tmp_path, num_train=128, num_valid=32, num_test=32)

    def run(*options):
        arguments = ["--data", str(tmp_path / "train.txt"), "--set", *SMALL]
        arguments += ["--json", str(tmp_path / "out.json"), *options]
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
        benchmark.main()
        return json.loads((tmp_path / "out.json").read_text())

    return run


def printing(text):
    return shlex.join([sys.executable, "-c", f"print('first'); print({text!r})"])


def test_ratio_to_another_program(run):
    options = ["--task", "greedy", "--steps", "2", "--repeats", "3"]
    other = printing('{"units_per_second": 2.0}')
    found = run(*options, "--batch-size", "5", "--beside", other)
    assert found["beside"]["units_per_second"] == [2.0] * 3
    ratios = found["beside"]["ratios"]
    # Two batches of five sentences in so many seconds, of which three digits are kept.
    np.testing.assert_allclose(
        10 / np.array(ratios) / 2.0, found["seconds"], rtol=2e-3, atol=6e-4
    )
    assert found["beside"]["ratio"] == sorted(ratios)[1]


@pytest.mark.parametrize("text", ["nothing", "{}", "[1]", '{"units_per_second": null}'])
def test_another_program_prints_no_speed(run, capsys, text):
    with pytest.raises(SystemExit):
        run("--task", "greedy", "--steps", "1", "--beside", printing(text))
    assert "must be a JSON object with `units_per_second`" in capsys.readouterr().err


def test_another_program_is_missing(run, capsys):
    with pytest.raises(SystemExit):
        run("--task", "greedy", "--steps", "1", "--beside", "no-such-program")
    assert "no-such-program" in capsys.readouterr().err
