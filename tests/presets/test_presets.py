import dataclasses

import numpy as np
import pytest

from tests import support
from tfvae import presets
from tfvae.latents import Deterministic
from tfvae.models import LanguageModel
from tfvae.objectives import BagOfWords, Cyclical
from tfvae.presets import PRESETS, SETTINGS, Blueprint, get_preset


@pytest.fixture
def blueprint():
    setting = dataclasses.replace(
        SETTINGS["ivae"], embedding_dim=6, encoder_dim=8, decoder_dim=8, latent_dim=3
    )
    return Blueprint(setting, 20, steps_per_epoch=10)


# Coupled forms are made alike, by the registry; see its tests.
UNCOUPLED = [name for name, each in PRESETS.items() if not each.coupled_form_of]


@pytest.mark.parametrize("name", UNCOUPLED)
def test_takes_a_training_step(name, blueprint):
    model = get_preset(name)(blueprint)
    # Tracing a function costs many times what one small step does.
    model.compile(blueprint.optimizer(), run_eagerly=True)
    before = [weight.copy() for weight in model.get_weights()]
    history = model.fit(support.dataset(support.batch()), verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(before, model.get_weights(), strict=True)
    )


@pytest.mark.parametrize("name", UNCOUPLED)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_fits_every_preset(name, setting):
    model = get_preset(name)(Blueprint(setting, 12))
    model.compile(Blueprint(setting, 12).optimizer())


@pytest.mark.parametrize("name", PRESETS)
def test_says_what_it_is(name):
    preset = get_preset(name)
    assert preset.paper and preset.summary.endswith(".")
    assert getattr(presets, name) is preset.function


def test_options_reach_the_model(blueprint):
    assert presets.beta_vae(blueprint, beta=0.3).objective[1].weight.final == 0.3
    model = presets.word_dropout_vae(blueprint, word_dropout=0.25)
    assert model.decoder.word_dropout == 0.25
    model = presets.free_bits_vae(blueprint, free_bits=2.0, free_bits_by="total")
    kl = model.objective[1]
    assert (kl.free_bits, kl.free_bits_by, kl.free_bits_over) == (
        2.0,
        "total",
        "sentence",
    )
    bag = presets.bow_vae(blueprint, bow_weight=0.5).objective[2]
    assert isinstance(bag, BagOfWords) and bag.weight.final == 0.5


def test_cycles_fill_the_budget(blueprint):
    weight = presets.cyclical_vae(blueprint).objective[1].weight
    assert isinstance(weight, Cyclical)
    # 40 epochs of 10 steps in 4 cycles, each half ramp.
    assert [float(weight(step)) for step in (0, 25, 50, 99, 100, 400)] == [
        0.0,
        0.5,
        1.0,
        1.0,
        0.0,
        1.0,
    ]


def test_dae_and_language_model(blueprint):
    model = presets.dae(blueprint)
    assert isinstance(model.posterior, Deterministic) and not model.has_density
    assert isinstance(presets.language_model(blueprint), LanguageModel)


def test_weights_of_wae_are_per_sentence(blueprint):
    # The paper's 10 and 0.01 are per token; its sentences have 11.
    _, mmd, spread = presets.wae_stochastic(blueprint).objective
    assert (mmd.weight.final, mmd.base) == (110.0, 4.0)
    assert spread.against == "unit_variance"
    assert spread.weight.final == pytest.approx(0.11)


def test_weights_of_info_vae(blueprint):
    # (1 - alpha) KL + (alpha + lambda - 1) MMD
    model = presets.info_vae(blueprint, alpha=0.25, mmd_weight=5.0)
    weights = {term.name: term.weight.final for term in model.objective}
    assert weights == {"reconstruction": 1.0, "mmd": 4.25, "kl": 0.75}


def test_posteriors(blueprint):
    fixed = presets.vmf_vae_fixed(blueprint, concentration=35.0).posterior
    assert (fixed.support, fixed.concentration) == ("sphere", 35.0)
    planar = presets.planar_wae(blueprint, num_flows=2, conditional=True).posterior
    assert (planar.num_flows, planar.conditional) == (2, True)
    assert presets.full_covariance_vae(blueprint).posterior.covariance == "full"
    copula = presets.copula_vae(blueprint, copula_weight=0.5).objective[2]
    assert (copula.weight.final, copula.floor) == (0.5, 0.5)
    # Above the KL's weight the reward of a small variance has no bound.
    kl = presets.copula_vae(blueprint, copula_weight=0.5).objective[1]
    for step in (0, 30, 60, 500):
        assert float(copula.weight(step)) == pytest.approx(0.5 * float(kl.weight(step)))


def test_unknown_preset_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'beta_vae'?"):
        get_preset("betavae")


def test_unknown_option(blueprint):
    with pytest.raises(ValueError, match="no option 'bta'. Did you mean 'beta'?"):
        get_preset("beta_vae")(blueprint, bta=1.0)
