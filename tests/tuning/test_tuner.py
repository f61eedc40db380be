import dataclasses

import pytest

from tests.training.test_train import _rows
from tfvae.training import RunFolder, train
from tfvae.tuning.tuner import _continue_longer, trial_path


@pytest.mark.slow
def test_hyperbands_longer_trial_equals_one_of_that_length(
    tiny_recipe, plain_run, tmp_path
):
    recipe = plain_run.load_recipe()
    short = dataclasses.replace(recipe, epochs=1)
    earlier = train(short, tmp_path / "short", verbose=0)
    longer = RunFolder(tmp_path / "longer")
    assert _continue_longer(earlier, longer, recipe)
    train(recipe, longer.path, resume=True, verbose=0)
    assert _rows(longer) == _rows(plain_run)
    assert longer.load_state() == plain_run.load_state()


@pytest.mark.parametrize("change", [{"scale_schedules": True}, {"decay": "cosine"}])
def test_a_schedule_of_the_whole_length_starts_anew(tiny_recipe, tmp_path, change):
    recipe = dataclasses.replace(tiny_recipe, epochs=3)
    if "decay" in change:
        change = {"overrides": {**recipe.overrides, **change}}
    recipe = dataclasses.replace(recipe, **change)
    assert not _continue_longer(RunFolder(tmp_path), RunFolder(tmp_path / "b"), recipe)
    assert not (tmp_path / "b").exists()


def test_folders_of_trials(tmp_path):
    assert trial_path(tmp_path, "07") == str(tmp_path / "trials" / "007")
