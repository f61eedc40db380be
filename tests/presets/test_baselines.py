"""What each remedy changes; that it trains is tested with the other presets."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tfvae import presets
from tfvae.latents import DeltaGaussian
from tfvae.objectives import ImportanceWeighted
from tfvae.presets import SETTINGS, ModelBuilder


@pytest.fixture
def builder():
    setting = dataclasses.replace(
        SETTINGS["ivae"], embedding_dim=6, encoder_dim=8, decoder_dim=8, latent_dim=3
    )
    return ModelBuilder(setting, vocabulary_size=20, steps_per_epoch=10)


def mean_kl(model, training=False):
    forward = model.forward({"tokens": support.batch()}, seed=1, training=training)
    return model.likelihood_metrics(forward)["kl"].numpy().mean()


def with_settings(builder, **options):
    setting = dataclasses.replace(builder.setting, **options)
    return dataclasses.replace(builder, setting=setting)


def test_bn_vae_has_a_floor_of_the_mean_kl(builder):
    for batch_normalization in (False, True):
        given = with_settings(builder, batch_normalization=batch_normalization)
        model = presets.bn_vae(given, mean_scale=0.5)
        assert model.posterior.normalized_mean_scale == 0.5
        # As small as the initial weights of any setting, or smaller.
        kernel = model.posterior.heads["loc"].kernel
        kernel.assign(0.3 * kernel)
        assert mean_kl(model, training=True) > 0.99 * 3 * 0.5**2 / 2
    assert mean_kl(presets.vae(builder), training=True) < 0.1


def test_delta_vae_has_a_floor_of_the_kl(builder):
    model = presets.delta_vae(builder, rate=2.5)
    assert isinstance(model.posterior, DeltaGaussian)
    for value in (-30.0, 0.0, 30.0):
        for head in model.posterior.base.heads.values():
            head.kernel.assign(0.0 * head.kernel)
            head.bias.assign(tf.fill([3], value if "log" in head.name else 0.0))
        forward = model.forward({"tokens": support.batch()}, seed=1)
        kl = model.likelihood_metrics(forward)["kl"].numpy()
        assert (kl > 2.5 * (1 - 1e-5)).all()


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_pooling_vae(builder, pooling):
    assert presets.pooling_vae(builder, pooling=pooling).encoder.pooling == pooling
    copula = with_settings(builder, use_cell=True, bidirectional=True)
    model = presets.pooling_vae(copula, pooling=pooling)
    assert model.encoder.code_dim == 32
    assert presets.vae(builder).encoder.pooling is None


def test_skip_vae(builder):
    for conditioning in (("state", "inputs"), ("inputs", "output")):
        given = with_settings(builder, conditioning=conditioning)
        decoder = presets.skip_vae(given).decoder
        wanted = dict.fromkeys([*conditioning, "output"])
        assert decoder.conditioning == tuple(wanted)
        assert decoder.output_layer.kernel.shape == (8 + 3, 20)
    # Behind a projection the code is still bare.
    given = with_settings(builder, projection_dim=5, bridge_dims=(4,))
    assert presets.skip_vae(given).decoder.output_layer.kernel.shape == (5 + 4, 20)


def test_iwae_vae_optimises_the_bound_and_logs_the_usual_ones(builder):
    model = presets.iwae_vae(builder, num_samples=4)
    (term,) = model.objective
    assert isinstance(term, ImportanceWeighted)
    forward = model.forward({"tokens": support.batch()}, seed=1)
    assert forward.z.shape[0] == 4
    found = model.likelihood_metrics(forward)
    reconstruction = -forward.log_likelihood.numpy().mean(0)
    np.testing.assert_allclose(
        found["nelbo"], reconstruction + found["kl"].numpy(), rtol=1e-5
    )
    # Another and, by Jensen's inequality, a lower number, had both the same samples.
    log_ratio = forward.prior.log_prob(forward.z) - forward.log_q
    sampled = -(forward.log_likelihood + log_ratio).numpy().mean(0)
    assert (term.cost(forward).numpy() < sampled).all()
