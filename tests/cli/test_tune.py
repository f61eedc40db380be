import dataclasses
import shutil
import sys

import pytest

from tests.tuning.conftest import make_results as make_results
from tests.tuning.test_results import METRICS, VALUES
from tfvae.cli.main import main
from tfvae.training import RunFolder
from tfvae.tuning.results import read_results


def _arguments(texts, out, *more):
    arguments = ["tune", "beta_vae", "--train", texts["train"]]
    arguments += ["--valid", texts["valid"], "--out", str(out)]
    return [*arguments, "--quiet", *more]


@pytest.fixture
def stub(make_results, monkeypatch):
    """Returns finished trials in place of a search, and keeps what was asked for."""
    asked = {}

    def tune(sweep, out, **options):
        results = read_results(make_results(VALUES, METRICS))
        for result in results:
            sweep.configuration.save(RunFolder(result["folder"]).configuration)
        asked.update(sweep=sweep, **options)
        options["report"](results[0])
        return results

    monkeypatch.setattr("tfvae.tuning.tune", tune)
    return asked


def test_prints_a_table_and_plots(stub, texts, tmp_path, capsys):
    more = ["--search", "beta=0.1,0.4,0.8", "--tuner", "grid", "--epochs", "3"]
    more += ["--objective", "nll - 0.5 * mi", "--workers", "2", "--samples", "4"]
    assert main(_arguments(texts, tmp_path, *more, "--set", "latent_dim=3")) == 0
    printed = capsys.readouterr().out
    assert "trial 1: beta=0.1: nll 30.500" in printed
    assert "30.250" in printed and "* lowest nll" in printed
    best = tmp_path / "trials" / "002"
    assert f"tfvae evaluate {best} --data {texts['valid']}" in printed
    assert (tmp_path / "sweep.png").exists() and (tmp_path / "sweep.svg").exists()
    sweep = stub["sweep"]
    assert (sweep.tuner, sweep.objective, sweep.num_samples) == (
        "grid",
        "nll - 0.5 * mi",
        4,
    )
    assert sweep.search == ("beta=0.1,0.4,0.8",)
    assert stub["workers"] == 2 and stub["verbose"] == 0
    configuration = sweep.configuration
    assert (configuration.overrides, configuration.epochs) == ({"latent_dim": 3}, 3)
    assert configuration.xla == "auto"


def test_starts_from_a_run(stub, run, texts, tmp_path):
    more = ["--from", run, "--freeze", "decoder", "--search", "beta=0.1,0.4"]
    assert main(_arguments(texts, tmp_path, *more)) == 0
    source = RunFolder(run).load_configuration()
    configuration = stub["sweep"].configuration
    assert (configuration.start_from, configuration.freeze) == (run, "decoder")
    assert configuration.overrides == source.overrides
    assert configuration.setting == source.setting


@pytest.fixture
def fixed(run, tmp_path):
    """The folder of a run whose `beta` was given."""
    folder = RunFolder(tmp_path / "fixed")
    shutil.copytree(run, folder.path)
    source = folder.load_configuration()
    overrides = source.overrides | {"beta": 0.9}
    source = dataclasses.replace(source, preset="beta_vae", overrides=overrides)
    source.save(folder.configuration)
    return str(folder.path)


@pytest.mark.parametrize("search", [(), ("--search", "beta=0.1,0.4")])
def test_what_is_searched_is_not_that_of_the_run_before(
    stub, run, fixed, texts, tmp_path, search
):
    arguments = _arguments(texts, tmp_path, "--from", fixed, *search)
    assert main(arguments) == 0
    # What that run was given beside `beta`.
    given = RunFolder(run).load_configuration().overrides
    assert stub["sweep"].configuration.overrides == given


def test_what_set_gives_is_not_searched(fixed, texts, tmp_path, error_of):
    more = ["--from", fixed, "--set", "beta=0.8"]
    out = tmp_path / "sweep"
    assert "beta_vae' is fixed by --set" in error_of(*_arguments(texts, out, *more))
    more += ["--search", "beta=0.1,0.4"]
    assert "`beta` is to be searched" in error_of(*_arguments(texts, out, *more))


def test_without_matplotlib(stub, texts, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(_arguments(texts, tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "Install `tfvae[tune]`" in printed and "30.250" in printed
    assert not (tmp_path / "sweep.png").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--search", "btea=1,2"], "Did you mean 'beta'?"),
        (["--search", "beta=1:"], "LOW:HIGH"),
        (["--tuner", "gird"], "Did you mean 'grid'?"),
        (["--objective", "mi"], "`objective` must be"),
        (["--objective", ""], "`objective` must be"),
        (["--trials", "0"], "`trials` must be positive"),
        (["--workers", "-1"], "`workers` must not be negative"),
        (["--tuner", "hyperband"], "--epochs"),
        (["--set", "beta=0.5"], "nothing is left to search"),
        (["--valid", "nowhere.txt"], "nowhere.txt: no such file"),
    ],
)
def test_refuses(texts, tmp_path, error_of, more, message):
    out = tmp_path / "sweep"
    if "nowhere.txt" in more:
        more = [*more, "--set", "embedding_dim=4", "encoder_dim=4", "decoder_dim=4"]
    assert message in error_of(*_arguments(texts, out, *more))
    assert not out.exists()
