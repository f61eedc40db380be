import os
import subprocess
import sys

import pytest

from tfvae.cli.main import COMMANDS, main


def test_every_command_has_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    for name in COMMANDS:
        assert f"    {name}" in printed
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0
        assert f"usage: tfvae {name}" in capsys.readouterr().out


def test_help_needs_no_tensorflow():
    code = """
import sys
from tfvae.cli.main import main
try:
    main(["--help"])
finally:
    assert not {"tensorflow", "keras", "numpy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("encode run --data x --out y.npz --to z", "--to z"),
        ("train vae --train x --out y --epoch 3", "--epoch 3"),
        ("client score --model m --tex a", "--tex a"),
    ],
)
def test_an_option_is_not_what_it_only_begins_like(line, short, capsys):
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert f"unrecognized arguments: {short}" in capsys.readouterr().err


def test_runs_as_a_module():
    command = [sys.executable, "-m", "tfvae", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.long
def test_a_reader_may_stop():
    """Pipes a command into nothing, as `tfvae presets | head -0` does."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tfvae", "presets"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_training_that_nobody_reads_is_no_success(monkeypatch, tmp_path, capfd):
    def closed(args):
        raise BrokenPipeError

    from tfvae.cli import train

    monkeypatch.setattr(train, "TRAIN", train.TRAIN._replace(run=closed))
    with open(tmp_path / "out", "w") as file:
        monkeypatch.setattr("sys.stdout", file)
        status = main(["train", "vae", "--train", "x", "--out", "y"])
        monkeypatch.undo()
    assert status == 1
    assert capfd.readouterr().err == "tfvae train: interrupted: output closed\n"
