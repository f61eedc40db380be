import functools
import json

import pytest

from tests.reporting.conftest import make_run
from tests.training.conftest import texts as texts
from tfvae.cli.main import main
from tfvae.training import RunFolder

_LOAD_MODEL = RunFolder.load_model


@functools.cache
def _load(path):
    return _LOAD_MODEL(RunFolder(path))


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch):
    # No command changes a model that it loads.
    monkeypatch.setattr(RunFolder, "load_model", lambda self, _=None: _load(self.path))


@pytest.fixture(scope="session")
def run(texts, tmp_path_factory):
    """The folder of a run of a tiny VAE that has its initial weights."""
    return make_run(texts, tmp_path_factory.mktemp("runs") / "vae")


@pytest.fixture(scope="session")
def language_model(texts, tmp_path_factory):
    """The folder of a run of a tiny language model."""
    folder = tmp_path_factory.mktemp("runs") / "lm"
    return make_run(texts, folder, preset="language_model")


@pytest.fixture
def json_of(capsys):
    """Returns what a command prints as JSON."""

    def run(*arguments):
        assert main([*arguments, "--json", "-"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def error_of(capsys):
    """Checks that a command fails by one line and nothing else, and returns it."""

    def run(*arguments):
        assert main([*map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.strip().splitlines()
        assert line.startswith(f"tfvae {arguments[0]}: error: ")
        return line

    return run
