import dataclasses
import types

import keras_tuner
import pytest

from tfvae.presets import PRESETS, Preset, get_preset
from tfvae.training import RunConfiguration
from tfvae.training.run_configuration import setting_fields
from tfvae.tuning.search_space import (
    ON_REQUEST,
    SPACES,
    Choices,
    Objective,
    Range,
    default_space,
    known_space,
    parse_search,
)

EVERY = {**SPACES, **ON_REQUEST}


def test_ranges_are_of_options_that_exist():
    options = {name for preset in PRESETS.values() for name in preset.options}
    assert set(EVERY) <= options | set(setting_fields())


@pytest.mark.parametrize("name", PRESETS)
def test_ranges_fit_the_options_of_every_preset(name):
    preset = get_preset(name)
    configuration = RunConfiguration(
        name,
        train="train.tsv",
        context_column="context" if preset.needs_context else None,
        label_column="label" if preset.needs_label else None,
    )
    for option in get_preset(name).options:
        for value in EVERY[option].examples() if option in EVERY else ():
            changed = dataclasses.replace(configuration, overrides={option: value})
            assert changed.overrides == {option: value}


@pytest.mark.parametrize("name", EVERY)
def test_grids_lie_in_their_range(name):
    space = EVERY[name]
    assert all(space.low <= value <= space.high for value in space.grid)
    assert list(space.grid) == sorted(set(space.grid)) and len(space.grid) > 1


def test_default_space_has_the_presets_weights():
    assert set(default_space(get_preset("info_vae"), {})) == {"alpha", "mmd_weight"}
    assert set(default_space(get_preset("copula_vae"), {})) == {"copula_weight"}


def test_default_space_of_a_coupled_form():
    found = default_space(get_preset("coupled_beta_vae"), {})
    assert set(found) == {"beta", "reconstruction_weight", "matching_weight"}
    left = default_space(get_preset("coupled_beta_vae"), {"beta": 1.0})
    assert set(left) == {"reconstruction_weight", "matching_weight"}


def test_preset_without_a_weight():
    plain = Preset("plain", lambda setting, *, cell="gru": None, "nowhere")
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


def test_values_as_configurations_keep_them():
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


def _parse(*words, preset="copula_vae", **overrides):
    configuration = RunConfiguration(preset, train="train.txt", overrides=overrides)
    return parse_search(words, configuration)


def test_parses_values_and_ranges():
    assert _parse("copula_weight=0,0.1,0.4") == {
        "copula_weight": Choices((0.0, 0.1, 0.4))
    }
    assert _parse("copula_weight=0:1") == {"copula_weight": Range(0.0, 1.0)}
    assert _parse("latent_dim=8:64:log") == {"latent_dim": Range(8, 64, True)}
    assert _parse("cell=lstm,gru") == {"cell": Choices(("lstm", "gru"))}
    assert _parse("share_embedding=True,False") == {
        "share_embedding": Choices((True, False))
    }


def test_numbers_take_the_type_of_the_option():
    (space,) = _parse("learning_rate=1:2").values()
    assert isinstance(space.low, float)
    (space,) = _parse("latent_dim=8,16").values()
    assert all(isinstance(value, int) for value in space.values)


def test_names_alone():
    assert _parse("copula_weight") == {"copula_weight": SPACES["copula_weight"]}
    assert list(_parse("latent_dim", "copula_weight")) == [
        "latent_dim",
        "copula_weight",
    ]


def test_nothing_named():
    assert _parse() == {"copula_weight": SPACES["copula_weight"]}
    assert list(_parse(preset="info_vae", alpha=0.5)) == ["mmd_weight"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("copula_wieght=1,2", "Did you mean 'copula_weight'"),
        ("learning_rate", "no range for 'learning_rate'.*learning_rate=1:4"),
        ("copula_weight=0:", "LOW:HIGH"),
        ("copula_weight=0:1:2", "LOW:HIGH"),
        ("copula_weight=0:1:log:3", "LOW:HIGH"),
        ("copula_weight=a:b", "LOW:HIGH"),
        ("copula_weight=1:0", "lower end first"),
        ("copula_weight=0:1:log", "must be positive"),
        ("copula_weight=0,a", "all numbers"),
        ("copula_weight=0.1,0.1", "differ"),
        ("copula_weight=", "must be a float"),
        ("latent_dim=0.5:3", "must be an int"),
        ("share_embedding=1,2", "must be a bool"),
        ("setting=copula", "no key to search 'setting'"),
    ],
)
def test_refuses_searches(word, message):
    with pytest.raises(ValueError, match=message):
        _parse(word)


def test_refuses_a_key_twice():
    with pytest.raises(ValueError, match="given twice"):
        _parse("latent_dim=1,2", "latent_dim=3,4")
    with pytest.raises(ValueError, match="fixed by --set"):
        _parse("latent_dim=1,2", latent_dim=4)
    with pytest.raises(ValueError, match="nothing is left"):
        _parse(copula_weight=0.1)


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("val_nelbo", Objective("val_nelbo")),
        ("val_nll", Objective("nll")),
        ("nll - 0.5 * mi", Objective("nll", 0.5)),
        ("nelbo-2mi_loo", Objective("nelbo", 2.0, "mi_loo")),
        ("val_nelbo - 1e-1 mi", Objective("val_nelbo", 0.1)),
        ("1 -transfer_joint", Objective("transfer_joint")),
    ],
)
def test_parses_objectives(text, objective):
    parsed = Objective.parse(text)
    assert parsed == objective
    assert Objective.parse(parsed.name) == parsed
    assert parsed.for_tuner().direction == "min"


@pytest.mark.parametrize(
    "text", ["", "los", "nll + mi", "nll - mi", "nll - -1 * mi", "nll - 1 * kl"]
)
def test_refuses_objectives(text):
    with pytest.raises(ValueError, match="`objective` must be"):
        Objective.parse(text)


def test_value_of_an_objective():
    metrics = {"nll": 30.0, "mi": 4.0, "val_nelbo": 33.0}
    assert Objective.parse("val_nelbo").value(metrics) == 33.0
    assert Objective.parse("val_nll").value(metrics) == 30.0
    assert Objective.parse("nll - 0.25 * mi").value(metrics) == 29.0
    transfer = Objective.parse("1 - transfer_joint")
    assert transfer.value({"transfer_joint": 0.75}) == 0.25 and transfer.is_measured
    assert not Objective.parse("val_nelbo").is_measured
    assert Objective.parse("nll").is_measured
    assert Objective.parse("val_nelbo - 1 mi").is_measured


def _model(monitor, posterior=True, has_density=True, requires=()):
    latent = types.SimpleNamespace(has_density=has_density)
    return types.SimpleNamespace(
        monitor=monitor,
        validation_metrics=("val_loss", monitor),
        posterior=latent if posterior else None,
        has_density=has_density,
        requires=requires,
    )


@pytest.mark.parametrize(
    ("text", "model", "message"),
    [
        ("val_nelbo", _model("val_nll", posterior=False), "val_loss, val_nll"),
        ("nll - 1 mi", _model("val_nll", posterior=False), "needs a latent"),
        (
            "nll - 1 mi",
            _model("val_nll", requires=("context",)),
            "codes that repeat the context.*use 'nll'",
        ),
        (
            "nll",
            _model("val_reconstruction", has_density=False),
            "use 'val_reconstruction'",
        ),
        (
            "reconstruction - 1 mi",
            _model("val_reconstruction", has_density=False),
            "needs a posterior with a density",
        ),
    ],
)
def test_refuses_models(text, model, message):
    with pytest.raises(ValueError, match=message):
        Objective.parse(text).check(model)


@pytest.mark.parametrize("text", ["val_nelbo", "val_nll", "nll - 1 mi", "kl"])
def test_allows_a_vae(text):
    assert Objective.parse(text).check(_model("val_nelbo")) is None


def test_allows_a_language_model():
    model = _model("val_nll", posterior=False)
    assert Objective.parse("val_nll").check(model) is None
