import keras_tuner
import pytest

from tfvae.tuning.oracles import TUNERS, GridOracle, check_installed, make_oracle

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)
OBJECTIVE = keras_tuner.Objective("cost", "min")


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
    assert _values(again, 9) == [(1, "a"), (1, "b")]


def test_failed_trials_are_tried_again(tmp_path):
    first = _oracle(tmp_path)
    _space(first)
    _finish(first, first.create_trial("tuner0"))
    _finish(first, first.create_trial("tuner0"), "FAILED")
    again = _oracle(tmp_path)
    again.reload()
    assert _values(again, 9) == [(3, "b"), (1, "a"), (1, "b")]


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_seed_decides(tmp_path, name):
    def drawn(folder, seed):
        oracle = make_oracle(name, OBJECTIVE, trials=4, max_epochs=9, seed=seed)
        oracle._set_project_dir(tmp_path / folder, "tuner")
        oracle.verbose = 0
        hp = keras_tuner.HyperParameters()
        hp.Float("weight", 0.0, 1.0)
        oracle.update_space(hp)
        return _values(oracle, 9)

    first = drawn("a", 0)
    assert len(first) == 4
    assert first == drawn("b", 0) != drawn("c", 1)


def test_refuses():
    with pytest.raises(ValueError, match="Did you mean 'random'"):
        make_oracle("randon", OBJECTIVE)
    with pytest.raises(ValueError, match="`trials` must be positive"):
        make_oracle("grid", OBJECTIVE, trials=0)
    with pytest.raises(ValueError, match="--epochs"):
        make_oracle("hyperband", OBJECTIVE)


def test_missing_library_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.gaussian_process", None)
    with pytest.raises(ValueError, match=r"tfvae\[bayesian\]"):
        check_installed("bayesian")
    for name in set(TUNERS) - {"bayesian"}:
        check_installed(name)
