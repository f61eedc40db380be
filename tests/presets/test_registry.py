import dataclasses
import inspect

import pytest

from tests import support
from tfvae import presets
from tfvae.cli.recipes import parse_overrides
from tfvae.objectives import Coupling
from tfvae.presets import PRESETS, SETTINGS, Blueprint, get_preset
from tfvae.training import Recipe

COUPLED = [name for name, each in PRESETS.items() if each.coupled_form_of]
OPTIONS = ["coupled_weight", "matching_weight", "matching_distance"]


@pytest.fixture
def blueprint():
    setting = dataclasses.replace(
        SETTINGS["coupled"],
        embedding_dim=6,
        encoder_dim=4,
        decoder_dim=8,
        latent_dim=3,
        bridge_dims=(5, 6),
        projection_dim=6,
    )
    return Blueprint(setting, 20)


def test_presets_with_a_coupled_form():
    expected = """vae beta_vae cyclical_vae wae vmf_vae planar_vae planar_wae"""
    assert {f"coupled_{name}" for name in expected.split()} <= set(COUPLED)


@pytest.mark.parametrize("name", COUPLED)
def test_a_coupled_form_is_its_base_with_one_more_term(name, blueprint):
    form, base = get_preset(name), get_preset(PRESETS[name].coupled_form_of)
    model, plain = form(blueprint), base(blueprint)
    types = [type(term) for term in plain.objective]
    assert [type(term) for term in model.objective] == [*types, Coupling]
    term = model.objective[-1]
    assert term.reconstruction_weight.final == 1.0
    assert term.matching_weight.final == base.options["matching_weight"]
    assert term.distance == "rational_quadratic"
    assert type(term.coupled_posterior) is type(model.posterior)
    assert term.coupled_decoder.embedding is model.decoder.embedding
    assert set(base.options) - set(form.options) == {"coupled"}
    assert form.published


@pytest.mark.parametrize("name", COUPLED)
def test_options_are_documented(name):
    for each in (get_preset(name), get_preset(PRESETS[name].coupled_form_of)):
        assert list(each.options)[-3:] == OPTIONS
        lines = inspect.getdoc(each.function).splitlines()
        for option in each.options:
            assert any(line.startswith(f"    {option}: ") for line in lines), option
        assert "Returns:" in lines
        shown = f"Defaults to `{each.options['matching_weight']}`."
        assert any(shown in line for line in lines)


def test_defaults_of_the_released_configurations():
    weights = {
        name: get_preset(name).options["matching_weight"]
        for name in ("coupled_vae", "coupled_vmf_vae", "coupled_cyclical_vae")
    }
    assert weights == {
        "coupled_vae": 0.1,
        "coupled_vmf_vae": 7.5,
        "coupled_cyclical_vae": 0.1,
    }


def test_options_reach_the_term(blueprint):
    options = {
        "coupled_weight": 0.5,
        "matching_weight": 2,
        "matching_distance": "squared_euclidean",
    }
    for model in (
        presets.beta_vae(blueprint, beta=0.3, coupled=True, **options),
        presets.coupled_beta_vae(blueprint, beta=0.3, **options),
    ):
        kl, term = model.objective[1:]
        assert kl.weight.final == 0.3
        weights = term.reconstruction_weight.final, term.matching_weight.final
        assert (*weights, term.distance) == (0.5, 2.0, "squared_euclidean")


def test_refusals(blueprint):
    with pytest.raises(ValueError, match="Did you mean 'matching_weight'?"):
        get_preset("vae")(blueprint, maching_weight=1.0)
    with pytest.raises(ValueError, match="act with `coupled=True` only.*_weight=2.0"):
        presets.vae(blueprint, matching_weight=2.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bta'"):
        presets.beta_vae(blueprint, coupled=True, bta=0.5)
    with pytest.raises(ValueError, match="Did you mean 'coupled_wae'?"):
        get_preset("coupld_wae")


def test_any_model_of_a_blueprint_can_be_coupled(blueprint):
    coupling = Coupling(matching_weight=3.0)
    blueprint = dataclasses.replace(blueprint, coupling=coupling)
    terms = [presets.mine_vae(blueprint).objective[-1] for _ in range(2)]
    assert [term.matching_weight.final for term in terms] == [3.0, 3.0]
    # A term has weights: each model gets its own.
    assert len({id(term) for term in [coupling, *terms]}) == 3
    assert not coupling.built


def test_own_decoder(blueprint):
    decoder = blueprint.decoder()
    model = blueprint.vae([support.ToyCritic()], decoder=decoder)
    assert model.decoder is decoder
    with pytest.raises(ValueError, match="`word_dropout` is for the setting's"):
        blueprint.vae([], decoder=decoder, word_dropout=0.5)


def test_command_line_options():
    overrides = parse_overrides(["coupled=true", "matching_weight=1"])
    assert overrides == {"coupled": True, "matching_weight": 1}
    Recipe("vae", "x", overrides=overrides)
    Recipe("coupled_vae", "x", overrides={"matching_distance": "squared_euclidean"})
    with pytest.raises(ValueError, match="`coupled` must be a bool"):
        Recipe("vae", "x", overrides={"coupled": 1})
    with pytest.raises(ValueError, match="no key to set 'coupled'"):
        Recipe("copula_vae", "x", overrides={"coupled": True})
