import os
import shutil
import types
from unittest import mock

import pytest

from tests.training.test_train import Interrupt, _rows
from tfvae.training import Recipe, RunFolder, train
from tfvae.tuning import sweep as sweep_module
from tfvae.tuning import tuner as tuner_module
from tfvae.tuning.hypermodel import TextHyperModel
from tfvae.tuning.objective import Objective
from tfvae.tuning.results import read_results
from tfvae.tuning.sweep import Sweep, tune

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)


@pytest.fixture(scope="module")
def sweep(tiny_recipe):
    return Sweep(tiny_recipe, ("beta=0.5,1.0",), "grid", "val_nelbo", num_samples=2)


@pytest.fixture(scope="module")
def done(sweep, plain_run, tmp_path_factory):
    """A search killed in its second trial and continued, with what it had before."""
    out = tmp_path_factory.mktemp("sweeps") / "beta"

    def killed(recipe, path, **options):
        if recipe.overrides["beta"] == 1.0:
            return train(recipe, path, callbacks=[Interrupt(1, 0)], **options)
        # Any trained model will do.
        shutil.copytree(plain_run.path, path)
        return RunFolder(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuner_module, "train", killed)
        patch.setattr(tuner_module, "measure", lambda *_: {"nll": 1.0})
        with pytest.raises(KeyboardInterrupt):
            tune(sweep, out)
    before = os.stat(out / "trials" / "000" / "model.keras").st_mtime_ns
    assert [result["trial"] for result in read_results(out)] == [0]
    assert RunFolder(out / "trials" / "001").load_state()["epoch"] == 1
    return out, before, tune(sweep, out)


def test_continued_search_keeps_finished_trials(done):
    out, before, results = done
    assert [result["values"] for result in results] == [{"beta": 0.5}, {"beta": 1.0}]
    assert os.stat(out / "trials" / "000" / "model.keras").st_mtime_ns == before
    assert sorted(os.listdir(out / "trials")) == ["000", "001"]
    assert (out / "table.csv").exists()


def test_trial_equals_train(done, plain_run):
    out, _, results = done
    trial = RunFolder(out / "trials" / "001")
    assert _rows(trial) == _rows(plain_run)
    assert trial.load_state() == plain_run.load_state()
    assert results[1]["score"] == plain_run.load_state()["best"]
    assert trial.load_recipe() == plain_run.load_recipe()


def test_figures_of_trials(done):
    figures = done[2][1]["figures"]
    assert {"nll", "kl", "mi", "mi_cap", "active_units"} <= set(figures)
    assert figures["num_samples"] == 2
    assert figures["nelbo"] == pytest.approx(
        figures["reconstruction"] + figures["kl"], rel=1e-5
    )


def test_other_arguments_are_refused(done, sweep):
    out = done[0]
    fields = {**vars(sweep), "num_samples": 3}
    with pytest.raises(ValueError, match="other values of num_samples"):
        tune(Sweep(**fields), out)
    recipe = Recipe(**{**vars(sweep.recipe), "seed": 5})
    with pytest.raises(ValueError, match="other values of seed"):
        tune(Sweep(**{**vars(sweep), "recipe": recipe}), out)


def test_refuses_a_folder_of_other_things(sweep, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="new or empty"):
        tune(sweep, tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_undefined_objective_is_refused_at_once(tiny_recipe, tmp_path):
    fields = {"preset": "language_model", "overrides": {"embedding_dim": 6}}
    recipe = Recipe(**{**vars(tiny_recipe), **fields})
    sweep = Sweep(recipe, ("decoder_dim=4,8",), objective="nll - 1 * mi")
    with pytest.raises(ValueError, match="needs a latent"):
        tune(sweep, tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


@pytest.fixture
def unbuilt(monkeypatch):
    """Spares building a model, and forgetting it, where nothing is trained."""
    monkeypatch.setattr(tuner_module.keras.backend, "clear_session", lambda: None)
    monkeypatch.setattr(
        TextHyperModel, "build", lambda self, hp: types.SimpleNamespace(tokenizer=None)
    )
    monkeypatch.setattr(Objective, "check", lambda self, model: None)
    monkeypatch.setattr(sweep_module, "validation_of", lambda *_: mock.MagicMock())


def _fails(recipe, out, **options):
    raise ValueError(f"no room for {recipe.overrides['beta']}")


def test_failed_trials_surface(sweep, tmp_path, monkeypatch, capsys, unbuilt):
    monkeypatch.setattr(tuner_module, "train", _fails)
    with pytest.raises(ValueError, match="2 of 2 trials failed") as caught:
        tune(sweep, tmp_path / "sweep")
    message = str(caught.value)
    assert "trials/000: ValueError: no room for 0.5" in message
    assert "trials/001: ValueError: no room for 1.0" in message
    assert "Traceback" not in capsys.readouterr().err
    # Tried again, and again in vain.
    with pytest.raises(ValueError, match="2 of 2 trials failed"):
        tune(sweep, tmp_path / "sweep")


def test_stops_after_three_failures(tiny_recipe, tmp_path, monkeypatch, unbuilt):
    monkeypatch.setattr(tuner_module, "train", _fails)
    sweep = Sweep(tiny_recipe, ("beta=1,2,3,4,5",), "grid", "val_nelbo")
    with pytest.raises(ValueError, match="3 of 3 trials failed"):
        tune(sweep, tmp_path / "sweep")


def test_an_infinite_objective_fails(sweep, tmp_path, monkeypatch, plain_run, unbuilt):
    figures = {"nll": float("nan")}
    monkeypatch.setattr(tuner_module, "train", lambda *_, **__: plain_run)
    monkeypatch.setattr(tuner_module, "RunFolder", lambda _: plain_run)
    monkeypatch.setattr(tuner_module, "measure", lambda *_: dict(figures))
    sweep = Sweep(**{**vars(sweep), "objective": "nll", "trials": 1})
    with pytest.raises(ValueError, match="its objective nll is nan"):
        tune(sweep, tmp_path / "sweep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuner": "randon"}, "Did you mean 'random'"),
        ({"trials": 0}, "`trials` must be positive"),
        ({"num_samples": 0}, "`num_samples` must be positive"),
        ({"objective": "los"}, "`objective` must be"),
        ({"search": ("betta",)}, "Did you mean 'beta'"),
    ],
)
def test_refuses(tiny_recipe, options, message):
    with pytest.raises(ValueError, match=message):
        Sweep(tiny_recipe, **options)


def test_needs_a_validation_text(tiny_recipe):
    recipe = Recipe(**{**vars(tiny_recipe), "valid": None})
    with pytest.raises(ValueError, match="Give `valid`"):
        Sweep(recipe)


def test_saved_and_loaded(sweep, tmp_path):
    sweep.save(tmp_path / "sweep.json")
    assert Sweep.load(tmp_path / "sweep.json") == sweep
