import dataclasses

import keras_tuner
import pytest

from tfvae.presets import PRESETS, Preset, get_preset
from tfvae.training import Recipe
from tfvae.training.recipe import setting_fields
from tfvae.tuning.space import (
    ON_REQUEST,
    SPACES,
    Choices,
    Range,
    default_space,
    known_space,
)

EVERY = {**SPACES, **ON_REQUEST}


def test_ranges_are_of_options_that_exist():
    options = {name for preset in PRESETS.values() for name in preset.options}
    assert set(EVERY) <= options | set(setting_fields())


@pytest.mark.parametrize("name", PRESETS)
def test_ranges_fit_the_options_of_every_preset(name):
    recipe = Recipe(name, train="train.txt")
    for option in get_preset(name).options:
        for value in EVERY[option].examples() if option in EVERY else ():
            dataclasses.replace(recipe, overrides={option: value})


@pytest.mark.parametrize("name", EVERY)
def test_grids_lie_in_their_range(name):
    space = EVERY[name]
    assert all(space.low <= value <= space.high for value in space.grid)
    assert list(space.grid) == sorted(set(space.grid)) and len(space.grid) > 1


def test_default_space_has_the_presets_weights():
    assert set(default_space(get_preset("info_vae"), {})) == {"alpha", "mmd_weight"}
    assert set(default_space(get_preset("copula_vae"), {})) == {"copula_weight"}


def test_weights_that_would_not_act_are_left_out():
    def assemble(blueprint, *, beta=1.0, coupled=False, coupled_weight=1.0):
        return None

    def coupled_form(blueprint, *, beta=1.0, coupled_weight=1.0):
        return None

    preset = Preset("plain", "nowhere", assemble, {})
    form = Preset("coupled_plain", "nowhere", coupled_form, {})
    assert set(default_space(preset, {})) == {"beta"}
    assert set(default_space(preset, {"coupled": True})) == {"beta", "coupled_weight"}
    assert set(default_space(form, {})) == {"beta", "coupled_weight"}


def test_preset_without_a_weight():
    plain = Preset("plain", "nowhere", lambda blueprint, *, cell="gru": None, {})
    with pytest.raises(ValueError, match="'plain' has no weight.*latent_dim"):
        default_space(plain, {})


def test_unknown_range_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'beta'.*btea=1:4"):
        known_space("btea")


def test_declared_to_keras_tuner():
    hp = keras_tuner.HyperParameters()
    Range(2, 8).declare(hp, "whole")
    Range(0.1, 10.0, True).declare(hp, "log")
    Range(0.0, 1.0, grid=(0.0, 0.5)).declare(hp, "grid", grid=True)
    Choices(("a", "b")).declare(hp, "words")
    whole, log, grid, words = hp.space
    assert (whole.min_value, whole.max_value) == (2, 8)
    assert all(isinstance(whole.random_sample(seed), int) for seed in range(3))
    assert (log.min_value, log.max_value, log.sampling) == (0.1, 10.0, "log")
    assert (grid.values, words.values) == ([0.0, 0.5], ["a", "b"])


def test_values_as_recipes_keep_them():
    assert Range(0.0, 1.0).exact(1 / 3) == 0.333333
    assert Range(1, 9).exact(3) == 3
    # A worker's bools arrive as ints.
    assert Choices((True, False)).exact(1) is True


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2, 1), (0.0, 1.0, True)])
def test_refuses_ranges(ends):
    with pytest.raises(ValueError, match="range .*Received: "):
        Range(*ends)


@pytest.mark.parametrize("values", [(), (1, "a"), (1, 1.0), (None,), ([1],)])
def test_refuses_choices(values):
    with pytest.raises(ValueError, match="Values to choose from must"):
        Choices(values)
