import dataclasses
import inspect

import pytest

from tfvae import presets
from tfvae.cli.train import parse_overrides
from tfvae.objectives import Coupling, Reconstruction
from tfvae.presets import (
    PRESETS,
    SETTINGS,
    ModelBuilder,
    PaperSetting,
    Preset,
    coupled,
    get_preset,
)
from tfvae.training import RunConfiguration

COUPLED = [name for name, each in PRESETS.items() if each.coupled_form_of]
OPTIONS = ["reconstruction_weight", "matching_weight", "distance"]


@pytest.fixture
def builder():
    setting = dataclasses.replace(
        SETTINGS["coupled"],
        embedding_dim=6,
        encoder_dim=4,
        decoder_dim=8,
        latent_dim=3,
        bridge_dims=(5, 6),
        projection_dim=6,
    )
    return ModelBuilder(setting, vocabulary_size=20)


def test_every_function_is_in_the_table():
    functions = {
        name
        for name, value in vars(presets).items()
        if inspect.isfunction(value)
        and "setting" in inspect.signature(value).parameters
    }
    assert functions - {"coupled"} == set(PRESETS) - set(COUPLED)
    assert all(name == preset.name for name, preset in PRESETS.items())


def test_presets_with_a_coupled_form():
    expected = """vae beta_vae cyclical_vae wae vmf_vae planar_vae planar_wae cnn_vae
    lagging_vae prefb_vae cvae"""
    assert {f"coupled_{name}" for name in expected.split()} == set(COUPLED)


@pytest.mark.parametrize("name", COUPLED)
def test_a_coupled_form_is_its_base_with_one_more_term(name, builder):
    form, base = get_preset(name), get_preset(PRESETS[name].coupled_form_of)
    assert form.needs_context == base.needs_context
    if form.needs_context:
        builder = dataclasses.replace(builder, context="text")
    model, plain = form(builder), base(builder)
    types = [type(term) for term in plain.objective]
    assert [type(term) for term in model.objective] == [*types, Coupling]
    term = model.objective[-1]
    assert term.reconstruction_weight.final == 1.0
    assert term.matching_weight.final == form.options["matching_weight"]
    assert term.distance == "rational_quadratic"
    assert type(term.coupled_posterior) is type(model.posterior)
    assert term.coupled_decoder.embedding is model.decoder.embedding
    assert model.compiled
    assert form.function is base.function
    assert list(form.options) == [*base.options, *OPTIONS]
    assert form.published and form.paper == f"Wu et al. 2020, on {base.paper}"
    assert form.summary.startswith(f"The coupled form of `{base.name}`: ")


def test_no_option_has_the_name_of_a_settings_field():
    # `--set NAME=...` would change both at once. Those two mean the same in both.
    fields = {field.name for field in dataclasses.fields(PaperSetting)}
    fields -= {"target_kl", "kl_control"}
    found = {name: fields & set(preset.options) for name, preset in PRESETS.items()}
    assert {name: names for name, names in found.items() if names} == {}


def test_options_are_documented():
    lines = inspect.getdoc(coupled).splitlines()
    for option in OPTIONS:
        assert any(line.startswith(f"    {option}: ") for line in lines), option
    assert "Returns:" in lines


def test_defaults_of_the_released_configurations(builder):
    weights = {name: 0.1 for name in COUPLED}
    weights |= {"coupled_vmf_vae": 7.5, "coupled_cnn_vae": 0.0}
    assert weights == {n: get_preset(n).options["matching_weight"] for n in COUPLED}
    for preset, expected in (
        (presets.vmf_vae, 7.5),
        ("vmf_vae", 7.5),
        ("cnn_vae", 0.0),
        (presets.cyclical_vae, 0.1),
        # Without a row of a coupled form.
        (presets.bow_vae, 0.1),
    ):
        term = coupled(preset, builder).objective[-1]
        assert term.matching_weight.final == expected


def test_options_reach_the_term(builder):
    options = {
        "reconstruction_weight": 0.5,
        "matching_weight": 2,
        "distance": "squared_euclidean",
    }
    for model in (
        coupled(presets.beta_vae, builder, beta=0.3, **options),
        coupled("beta_vae", builder, beta=0.3, **options),
        get_preset("coupled_beta_vae")(builder, beta=0.3, **options),
    ):
        kl, term = model.objective[1:]
        assert kl.weight.final == 0.3
        weights = term.reconstruction_weight.final, term.matching_weight.final
        assert (*weights, term.distance) == (0.5, 2.0, "squared_euclidean")


def test_refusals(builder):
    with pytest.raises(ValueError, match=r"Did you mean 'matching_weight'\?"):
        get_preset("coupled_vae")(builder, maching_weight=1.0)
    with pytest.raises(ValueError, match="no option 'matching_weight'"):
        get_preset("vae")(builder, matching_weight=2.0)
    with pytest.raises(ValueError, match=r"no option 'bta'. Did you mean 'beta'\?"):
        get_preset("beta_vae")(builder, bta=1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bta'"):
        coupled(presets.beta_vae, builder, bta=0.5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'coupled'"):
        presets.beta_vae(builder, coupled=True)
    with pytest.raises(ValueError, match=r"Did you mean 'coupled_wae'\?"):
        get_preset("coupld_wae")
    with pytest.raises(ValueError, match=r"Did you mean 'beta_vae'\?"):
        coupled("betavae", builder)
    with pytest.raises(ValueError, match="A language model has no latent"):
        coupled("language_model", builder)


def test_any_function_can_be_a_preset(builder):
    def plain(setting, data=None, *, weight=1.0, cap: float | None = None):
        """A VAE of nobody's."""
        return setting.vae([Reconstruction(weight)])

    preset = Preset("plain", plain, "nowhere")
    assert preset.options == {"weight": 1.0, "cap": None}
    assert preset.option_types == {"weight": float, "cap": float | None}
    assert preset.summary == "A VAE of nobody's."
    assert preset(builder, weight=0.5).objective[0].weight.final == 0.5
    types = [type(term) for term in coupled(plain, builder, weight=0.5).objective]
    assert types == [Reconstruction, Coupling]
    form = Preset("coupled_plain", plain, "nowhere", {}, "plain", 3.0)
    assert list(form.options) == ["weight", "cap", *OPTIONS]
    assert form.option_types["matching_weight"] is float
    assert form(builder).objective[-1].matching_weight.final == 3.0


def test_a_bridge_where_the_setting_has_none(builder):
    setting = dataclasses.replace(builder.setting, bridge_dims=())
    setting = dataclasses.replace(setting, conditioning=("state",), memory_dropout=0.0)
    bare = dataclasses.replace(builder, setting=setting)
    for form in (get_preset("coupled_vae"), get_preset("coupled_cnn_vae")):
        model = form(bare)
        assert model.bridge.hidden_dims == (6, 6)
        assert model.objective[-1].coupled_bridge.hidden_dims == (6, 6)
    assert presets.vae(bare).bridge.hidden_dims == ()
    assert get_preset("coupled_vae")(builder).bridge.hidden_dims == (5, 6)


def test_any_model_of_a_builder_can_be_coupled(builder):
    coupling = Coupling(matching_weight=3.0)
    builder = dataclasses.replace(builder, coupling=coupling)
    terms = [presets.mine_vae(builder).objective[-1] for _ in range(2)]
    assert [term.matching_weight.final for term in terms] == [3.0, 3.0]
    # A term has weights: each model gets its own.
    assert len({id(term) for term in [coupling, *terms]}) == 3
    assert not coupling.built


def test_command_line_options():
    overrides = parse_overrides(["reconstruction_weight=2.5", "matching_weight=1"])
    assert overrides == {"reconstruction_weight": 2.5, "matching_weight": 1}
    made = RunConfiguration("coupled_vae", "x", overrides=overrides)
    assert made.overrides == overrides
    RunConfiguration("coupled_vae", "x", overrides={"distance": "squared_euclidean"})
    with pytest.raises(ValueError, match="`matching_weight` must be a float"):
        RunConfiguration("coupled_vae", "x", overrides={"matching_weight": "much"})
    for preset in ("vae", "copula_vae"):
        with pytest.raises(ValueError, match="no key to set 'coupled'"):
            RunConfiguration(preset, "x", overrides={"coupled": True})
