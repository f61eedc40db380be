import dataclasses
import sys

import keras_tuner
import pytest

from tests.training.test_train import _rows
from tfvae.training import RunFolder, train
from tfvae.tuning.tuner import (
    TUNERS,
    GridOracle,
    _continue_longer,
    check_installed,
    make_oracle,
    retry_unfinished,
    trial_path,
)

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)
OBJECTIVE = keras_tuner.Objective("cost", "min")


@pytest.mark.slow
def test_hyperbands_longer_trial_equals_one_of_that_length(
    tiny_configuration, plain_run, tmp_path
):
    configuration = plain_run.load_configuration()
    short = dataclasses.replace(configuration, epochs=1)
    earlier = train(short, tmp_path / "short", verbose=0)
    longer = RunFolder(tmp_path / "longer")
    assert _continue_longer(earlier, longer, configuration)
    train(configuration, longer.path, resume=True, verbose=0)
    assert _rows(longer) == _rows(plain_run)
    assert longer.load_state() == plain_run.load_state()


@pytest.mark.parametrize("change", [{"scale_schedules": True}, {"decay": "cosine"}])
def test_a_schedule_of_the_whole_length_starts_anew(
    tiny_configuration, tmp_path, change
):
    configuration = dataclasses.replace(tiny_configuration, epochs=3)
    if "decay" in change:
        change = {"overrides": {**configuration.overrides, **change}}
    configuration = dataclasses.replace(configuration, **change)
    assert not _continue_longer(
        RunFolder(tmp_path), RunFolder(tmp_path / "b"), configuration
    )
    assert not (tmp_path / "b").exists()


def test_folders_of_trials(tmp_path):
    assert trial_path(tmp_path, "07") == str(tmp_path / "trials" / "007")


def _space(oracle):
    hp = keras_tuner.HyperParameters()
    hp.Choice("first", [3, 1])
    hp.Choice("second", ["a", "b"])
    oracle.update_space(hp)


def _finish(oracle, trial, status="COMPLETED"):
    oracle.update_trial(trial.trial_id, {"cost": 1.0})
    trial.status = status
    oracle.end_trial(trial)


def _values(oracle, num):
    values = []
    for _ in range(num):
        trial = oracle.create_trial("tuner0")
        values.append(tuple(trial.hyperparameters.values.values()))
        if trial.status == "STOPPED":
            return values[:-1]
        _finish(oracle, trial)
    return values


def _oracle(folder, **options):
    oracle = GridOracle(OBJECTIVE, max_consecutive_failed_trials=100, **options)
    oracle._set_project_dir(folder, "tuner")
    oracle.verbose = 0
    return oracle


def test_grid_in_order(tmp_path):
    oracle = _oracle(tmp_path)
    _space(oracle)
    assert _values(oracle, 9) == [(3, "a"), (3, "b"), (1, "a"), (1, "b")]


def test_grid_continues(tmp_path):
    first = _oracle(tmp_path, max_trials=3)
    _space(first)
    assert _values(first, 2) == [(3, "a"), (3, "b")]
    # Killed in its third trial.
    first.create_trial("tuner0")
    again = _oracle(tmp_path)
    again.reload()
    retry_unfinished(again)
    assert _values(again, 9) == [(1, "a"), (1, "b")]


def test_failed_trials_are_tried_again(tmp_path):
    first = _oracle(tmp_path)
    _space(first)
    _finish(first, first.create_trial("tuner0"))
    _finish(first, first.create_trial("tuner0"), "FAILED")
    again = _oracle(tmp_path)
    again.reload()
    retry_unfinished(again)
    assert _values(again, 9) == [(3, "b"), (1, "a"), (1, "b")]


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_seed_decides(tmp_path, name):
    def values(folder, seed):
        oracle = make_oracle(name, OBJECTIVE, trials=4, max_epochs=9, seed=seed)
        oracle._set_project_dir(tmp_path / folder, "tuner")
        hp = keras_tuner.HyperParameters()
        hp.Float("weight", 0.0, 1.0)
        oracle.update_space(hp)
        return _values(oracle, 9)

    first = values("a", 0)
    assert len(first) == 4
    assert first == values("b", 0) != values("c", 1)


def test_refuses():
    with pytest.raises(ValueError, match="Did you mean 'random'"):
        make_oracle("randon", OBJECTIVE)
    with pytest.raises(ValueError, match="`trials` must be positive"):
        make_oracle("grid", OBJECTIVE, trials=0)
    with pytest.raises(ValueError, match="--epochs"):
        make_oracle("hyperband", OBJECTIVE)


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.gaussian_process", None)
    with pytest.raises(ValueError, match=r"tfvae\[bayesian\]"):
        check_installed("bayesian")
    for name in set(TUNERS) - {"bayesian"}:
        check_installed(name)
