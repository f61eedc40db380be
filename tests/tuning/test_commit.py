"""A search killed at any of its writes ends, continued, as if it had not been."""

import dataclasses
import fnmatch
import glob
import json
import os
import shutil
import types

import pytest

from tests.training.kills import Snapshots, distinct
from tests.tuning.test_sweep import unbuilt as unbuilt
from tfvae.training import RunFolder
from tfvae.training.run_folder import NEW_STATE
from tfvae.tuning import tuner as tuner_module
from tfvae.tuning.sweep import Sweep, tune

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)


def _train(configuration, path, *, resume, verbose):
    """Writes what `train` does, but for models; the score follows from the options."""
    folder = RunFolder(path)
    if not resume:
        folder.create(configuration)
    state = folder.load_state() or dict(NEW_STATE)
    for epoch in range(state["epoch"] + 1, configuration.epochs + 1):
        score = (configuration.overrides["beta"] - 0.6) ** 2 + 1 / epoch
        state.update(epoch=epoch, best=score, best_epoch=epoch)
        folder.save_state(state)
    folder.save_state({**state, "finished": True})
    return folder


@pytest.fixture
def untrained(unbuilt, monkeypatch):
    """Spares all that takes long."""
    monkeypatch.setattr(tuner_module, "train", _train)
    monkeypatch.setattr(tuner_module, "measure", lambda *_: {"nll": 1.0})
    model = types.SimpleNamespace(monitor="val_nelbo")
    monkeypatch.setattr(RunFolder, "load_model", lambda self: model)


def _settle(path):
    for trial in glob.glob(os.path.join(glob.escape(path), "trials", "*")):
        RunFolder(trial).recover()


def _outcome(folder, results):
    """All that a search is known by."""
    with open(os.path.join(folder, "tuner", "oracle.json")) as file:
        oracle = json.load(file)
    keys = ("start_order", "end_order", "seed_state", "brackets", "current_bracket")
    kept = {key: oracle.get(key) for key in keys}
    kept["tried_so_far"] = sorted(oracle["tried_so_far"])
    with open(os.path.join(folder, "table.csv")) as file:
        table = file.read()
    trials = sorted(os.listdir(os.path.join(folder, "trials")))
    results = [{k: v for k, v in result.items() if k != "folder"} for result in results]
    return results, kept, table, trials


def _assert_goes_on(sweep, home, counts=lambda path: True):
    """Kills a search at each write and continues it by the same call."""
    # Such a name is no pattern.
    home = home / "[a-z]*"
    home.mkdir()
    with Snapshots(home / "whole", home / "copies", counts) as snapshots:
        whole = _outcome(home / "whole", tune(sweep, home / "whole"))
    copies = distinct(snapshots.paths, _settle)
    for index, copy in enumerate(copies):
        path = home / f"again-{index}"
        shutil.copytree(copy, path)
        assert _outcome(path, tune(sweep, path)) == whole
        shutil.rmtree(path)
    print(f"{len(snapshots.paths)} kills, {len(copies)} of them distinct")
    return whole[0], snapshots


@pytest.mark.parametrize(
    ("tuner", "trials", "num"),
    [
        ("random", 3, 3),
        pytest.param("grid", 3, 3, marks=pytest.mark.slow),
        pytest.param("hyperband", 7, 6, marks=pytest.mark.slow),
    ],
)
def test_killed_at_every_write(
    tiny_configuration, untrained, tmp_path, tuner, trials, num
):
    configuration = dataclasses.replace(tiny_configuration, epochs=3)
    sweep = Sweep(configuration, ("beta=0.2:1.0",), tuner, "val_nelbo", trials)
    results, snapshots = _assert_goes_on(sweep, tmp_path)
    assert len(results) == num
    places = {place for _, place in snapshots.events}
    for pattern in ("sweep.*", "tuner/oracle.*", "tuner/trial_*/trial.*", "table.*"):
        assert fnmatch.filter(places, pattern)


@pytest.mark.slow
def test_trials_that_train_are_killed_between_writes(tiny_configuration, tmp_path):
    configuration = dataclasses.replace(tiny_configuration, epochs=1)
    sweep = Sweep(
        configuration, ("beta=0.2:1.0",), "random", "val_nelbo", 2, num_samples=2
    )

    def counts(place):
        return not fnmatch.fnmatch(place, "trials/*") or "trial." in place

    results, _ = _assert_goes_on(sweep, tmp_path, counts)
    assert len(results) == 2
