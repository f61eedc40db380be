"""The preset functions: each with its options, and in every setting."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tfvae import presets
from tfvae.latents import Deterministic, Implicit, Pushforward, VonMisesFisher
from tfvae.models import LanguageModel
from tfvae.objectives import (
    KL,
    BagOfWords,
    Control,
    Coupling,
    Cyclical,
    UnitVarianceKL,
)
from tfvae.presets import PRESETS, SETTINGS, ModelBuilder, get_preset


@pytest.fixture
def builder():
    setting = dataclasses.replace(
        SETTINGS["ivae"], embedding_dim=6, encoder_dim=8, decoder_dim=8, latent_dim=3
    )
    return ModelBuilder(setting, vocabulary_size=20, steps_per_epoch=10)


def with_context(name, builder):
    """Returns the builder, with contexts or labels for the presets that need them."""
    context = "text" if get_preset(name).needs_context else None
    num_labels = 2 if get_preset(name).needs_label else None
    return dataclasses.replace(builder, context=context, num_labels=num_labels)


# Coupled forms are the same functions; see test_table.py.
UNCOUPLED = [name for name, each in PRESETS.items() if not each.coupled_form_of]


# Tracing their loops takes as long as all other presets do.
LONG_TO_TRACE = {"sa_vae", "lagging_vae"}


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in LONG_TO_TRACE))
        for name in UNCOUPLED
    ],
)
def test_takes_a_training_step(name, builder):
    model = get_preset(name)(with_context(name, builder))
    # Tracing a function costs many times what one small step does.
    model.compile(builder.optimizer(), run_eagerly=True)
    before = [weight.copy() for weight in model.get_weights()]
    inputs = {"tokens": support.batch(), "context": support.batch(seed=1)}
    inputs["label"] = np.arange(len(inputs["tokens"]), dtype="int32") % 2
    data = tf.data.Dataset.from_tensors(
        {k: inputs[k] for k in ("tokens", *model.requires)}
    )
    history = model.fit(data, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(before, model.get_weights(), strict=True)
    )


# One of each kind of prior and of what the prior is compared with.
KINDS = {"vae", "vmf_vae", "copula_prior_vae", "wae", "ivae"}


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in KINDS else pytest.mark.slow)
        for name in UNCOUPLED
        if not PRESETS[name].needs_label
    ],
)
def test_any_preset_becomes_conditional(name, builder):
    builder = dataclasses.replace(builder, context="text")
    model = get_preset(name)(builder)
    assert model.requires == ("context",)
    model.compile(builder.optimizer(), run_eagerly=True)
    inputs = {"tokens": support.batch(), "context": support.batch(seed=1)}
    data = tf.data.Dataset.from_tensors(inputs)
    history = model.fit(data, validation_data=data, verbose=0).history
    assert np.isfinite(history["loss"] + history["val_loss"]).all()
    tokens, contexts = (tf.constant(each) for each in inputs.values())
    first = model.forward({"tokens": tokens, "context": contexts}, seed=1)
    moved = model.forward({"tokens": tokens, "context": contexts[::-1]}, seed=1)
    assert abs(first.log_likelihood - moved.log_likelihood).numpy().max() > 1e-6


def _fit_in_turn():
    """Every preset with every setting; by default each with one, by turns."""
    for number, name in enumerate(UNCOUPLED):
        for place, setting in enumerate(SETTINGS):
            own = place == number % len(SETTINGS)
            yield pytest.param(name, setting, marks=() if own else pytest.mark.slow)


@pytest.mark.long
@pytest.mark.parametrize(("name", "setting"), list(_fit_in_turn()))
def test_every_setting_fits_every_preset(name, setting):
    builder = ModelBuilder(setting, vocabulary_size=12, steps_per_epoch=1000)
    model = get_preset(name)(with_context(name, builder))
    assert model.compiled and model.optimizer.built


# None has a mean and a variance to normalise; their docstrings say so.
NOT_NORMALISED = VonMisesFisher, Implicit, Pushforward


@pytest.mark.long
@pytest.mark.parametrize("name", UNCOUPLED)
def test_heads_are_those_of_the_setting(name, builder):
    setting = dataclasses.replace(
        builder.setting, weight_range=1e-3, batch_normalization=True
    )
    builder = dataclasses.replace(builder, setting=setting)
    model = get_preset(name)(with_context(name, builder))
    posterior = getattr(model, "posterior", None)
    if posterior is None:
        return
    layers = list(posterior._flatten_layers())
    kernels = [each.kernel for each in layers if isinstance(each, keras.layers.Dense)]
    assert kernels
    assert all(abs(kernel.numpy()).max() <= 1e-3 for kernel in kernels)
    norms = [each for each in layers if "_norm" in each.name]
    assert bool(norms) != isinstance(posterior, NOT_NORMALISED)


@pytest.mark.parametrize("name", UNCOUPLED)
def test_is_documented(name):
    preset = get_preset(name)
    assert preset.paper and preset.summary.endswith(".")
    assert getattr(presets, name) is preset.function
    lines = inspect.getdoc(preset.function).splitlines()
    for argument in ("setting", "data", *preset.options):
        assert any(line.startswith(f"    {argument}: ") for line in lines), argument
    assert "Returns:" in lines and "References:" in lines


def test_options_reach_the_model(builder):
    assert presets.beta_vae(builder, beta=0.3).objective[1].weight.final == 0.3
    model = presets.word_dropout_vae(builder, word_dropout=0.25)
    assert model.decoder.word_dropout == 0.25
    model = presets.free_bits_vae(builder, free_bits=2.0, free_bits_by="total")
    kl = model.objective[1]
    assert (kl.free_bits, kl.free_bits_by, kl.free_bits_over) == (
        2.0,
        "total",
        "sentence",
    )
    bag = presets.bow_vae(builder, bow_weight=0.5).objective[2]
    assert isinstance(bag, BagOfWords) and bag.weight.final == 0.5


def test_cycles_fill_the_budget(builder):
    weight = presets.cyclical_vae(builder).objective[1].weight
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


def test_dae_and_language_model(builder):
    model = presets.dae(builder)
    assert isinstance(model.posterior, Deterministic) and not model.has_density
    assert isinstance(presets.language_model(builder), LanguageModel)


def test_weights_of_wae_are_per_sentence(builder):
    # The paper's 10 is per token; its sentences have 11.
    _, mmd = presets.wae_deterministic(builder).objective
    assert (mmd.weight.final, mmd.base) == (110.0, 4.0)
    # By 110 and 0.11 it collapses, see test_claims.py.
    _, mmd, spread = presets.wae_stochastic(builder).objective
    assert (mmd.weight.final, mmd.base) == (10.0, 4.0)
    half = builder.num_steps // 2
    assert [float(mmd.weight(step)) for step in (0, half)] == pytest.approx([0, 10])
    assert isinstance(spread, UnitVarianceKL)
    assert spread.weight.final == pytest.approx(0.01)


def test_weights_of_info_vae(builder):
    # (1 - alpha) KL + (alpha + lambda - 1) MMD
    model = presets.info_vae(builder, alpha=0.25, mmd_weight=5.0)
    weights = {term.name: term.weight.final for term in model.objective}
    assert weights == {"reconstruction": 1.0, "mmd": 4.25, "kl": 0.75}


def test_sizes_of_a_convolution(builder):
    setting = dataclasses.replace(
        builder.setting, projection_dim=5, memory_dropout=0.1, bridge_dims=(4,)
    )
    builder = dataclasses.replace(builder, setting=setting)
    decoder = presets.cnn_vae(builder, size="small", num_filters=7).decoder
    assert (decoder.dilations, decoder.num_filters) == ((1, 2, 4), 7)
    assert (decoder.vocabulary_size, decoder.embedding_dim) == (20, 6)
    # Of the setting's dropout rates that on embeddings alone.
    rates = (decoder.input_dropout, decoder.memory_dropout, decoder.output_dropout)
    assert rates == (0.5, 0.0, 0.0)
    assert decoder.projection_dim is None


def test_copula_of_posterior_and_prior(builder):
    model = presets.copula_prior_vae(builder, copula_floor=0.7)
    for latent, standard in ((model.posterior, False), (model.prior, True)):
        assert (latent.floor, latent.standard_marginals) == (0.7, standard)
    assert KL().method(model) == "closed_form"


def test_posteriors(builder):
    fixed = presets.vmf_vae_fixed(builder, concentration=35.0).posterior
    assert (fixed.support, fixed.concentration) == ("sphere", 35.0)
    planar = presets.planar_wae(builder, num_flows=2, conditional=True).posterior
    assert (planar.num_flows, planar.conditional) == (2, True)
    assert presets.full_covariance_vae(builder).posterior.covariance == "full"
    copula = presets.copula_vae(builder, copula_weight=0.5).objective[2]
    assert (copula.weight.final, copula.floor) == (0.5, 0.5)
    # Above the KL's weight the reward of a small variance has no bound.
    kl = presets.copula_vae(builder, copula_weight=0.5).objective[1]
    for step in (0, 30, 60, 500):
        assert float(copula.weight(step)) == pytest.approx(0.5 * float(kl.weight(step)))


def test_what_the_best_model_is_chosen_by(builder):
    assert presets.vae(builder).monitor == "val_loss"
    assert presets.language_model(builder).monitor == "val_nll"
    assert presets.coupled("vae", builder).monitor == "val_nll"
    assert presets.target_kl_vae(builder).monitor == "val_nelbo"
    labelled = dataclasses.replace(builder, num_labels=2)
    assert presets.arae(labelled).monitor == "val_reconstruction"
    # Of a plain VAE the objective at final weights is the negative bound.
    for name in ("vae", "free_bits_vae", "wae_stochastic"):
        model = get_preset(name)(builder)
        model.compile("adam", run_eagerly=True)
        logs = model.evaluate(
            support.dataset(support.batch()), return_dict=True, verbose=0
        )
        same = logs["loss"] == pytest.approx(logs["nelbo"], rel=1e-6)
        assert same == (name == "vae")


def test_a_coupled_model_logs_an_importance_weighted_likelihood(builder):
    model = presets.coupled("vae", builder)
    model.compile("adam", run_eagerly=True)
    logs = model.evaluate(support.dataset(support.batch()), return_dict=True, verbose=0)
    assert "val_nll" in model.validation_metrics
    # Ten samples are tighter than the bound of one.
    assert logs["nll"] < logs["nelbo"] + 1e-3
    assert "val_nll" not in presets.vae(builder).validation_metrics


@pytest.mark.long
@pytest.mark.parametrize("control", ["pi", "geco", "minimum_rate"])
def test_any_weight_of_a_kl_takes_a_target(builder, control):
    setting = dataclasses.replace(
        builder.setting, target_kl=3.0, kl_control=control, kl_control_rate=0.5
    )
    builder = dataclasses.replace(builder, setting=setting)
    for name in ("vae", "planar_vae", "mine_vae", "ivae", "coupled_vae", "wae"):
        terms = get_preset(name)(builder).objective
        weights = [t.weight for t in terms if not isinstance(t, Coupling)]
        (found,) = [each for each in weights if isinstance(each, Control)]
        assert found.target == 3.0
        assert 0.5 in (getattr(found, "rate", None), getattr(found, "integral", None))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dae", "needs a preset whose weight of the KL"),
        ("language_model", "needs a preset whose weight of the KL"),
        ("cyclical_vae", "needs a preset whose weight of the KL"),
        ("copula_vae", "keeps its copula's weight below"),
        ("free_bits_vae", "Use one of the two"),
    ],
)
def test_refuses_a_target_that_nothing_would_keep(builder, name, message):
    setting = dataclasses.replace(builder.setting, target_kl=3.0)
    with pytest.raises(ValueError, match=message):
        get_preset(name)(dataclasses.replace(builder, setting=setting))
