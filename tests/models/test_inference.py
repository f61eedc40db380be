"""The steps that training, evaluation and serving are made of."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from tests.support import make_decoder, make_vae
from tfvae.latents import Deterministic, Gaussian
from tfvae.models import LanguageModel, inference
from tfvae.objectives import Reconstruction
from tfvae.seeds import Stream, as_seed, fold_in


def passed(model, inputs, num_samples=4, seed=3):
    """Goes through a model step by step."""
    seed = as_seed(seed)
    encoded = inference.encode(model, inputs, seed)
    z, log_q = inference.sample_posterior(model, encoded.params, num_samples, seed)
    decoded = inference.decode(model, inputs["tokens"], z)
    return inference.record(model, encoded, z, log_q, *decoded, seed)


def test_the_steps_make_the_record_of_the_model(inputs):
    model = make_vae(prior=Gaussian(2))
    found = passed(model, inputs)
    expected = model.forward(inputs, num_samples=4, seed=3)
    for name in ("code", "z", "log_q", "memory", "log_likelihood", "seed"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_likelihoods_by_numpy(inputs):
    model = make_vae()
    record = passed(model, inputs)
    found = inference.likelihoods(model, record)
    log_p = record.log_likelihood.numpy().astype("float64")
    z, params = record.z.numpy(), {k: v.numpy() for k, v in record.params.items()}
    log_prior = -0.5 * (z**2 + np.log(2 * np.pi)).sum(-1)
    variance = np.exp(params["log_variance"])
    distance = (z - params["loc"]) ** 2 / variance
    log_q = -0.5 * (distance + np.log(2 * np.pi * variance)).sum(-1)
    kl = 0.5 * (variance + params["loc"] ** 2 - 1 - np.log(variance)).sum(-1)
    nll = np.log(4) - logsumexp(log_p + log_prior - log_q, axis=0)
    np.testing.assert_allclose(found["reconstruction"], -log_p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["kl"], kl, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["nelbo"], kl - log_p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["nll"], nll, rtol=1e-5)


def test_only_what_is_defined(inputs):
    model = make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    assert set(inference.likelihoods(model, passed(model, inputs))) == {
        "reconstruction"
    }
    model = LanguageModel(make_decoder(conditioning=()))
    found = inference.likelihoods(model, model.forward(inputs))
    assert set(found) == {"nll"}


def test_each_step_has_a_stream_of_its_own(inputs):
    model = make_vae()
    seed = as_seed(3)
    params = model.posterior_params(inputs)
    z, _ = inference.sample_posterior(model, params, 2, seed)
    expected, _ = model.posterior.sample(params, 2, fold_in(seed, Stream.LATENT))
    np.testing.assert_array_equal(z, expected)
    of_a_pass = [Stream.ENCODER, Stream.LATENT, Stream.DECODER, Stream.TERMS]
    of_a_pass += [Stream.SCORING, Stream.REFINEMENT, Stream.PROPOSAL]
    of_a_record = [Stream.MMD, Stream.DUAL_KL, Stream.COUPLING, Stream.COPULA]
    for streams in (of_a_pass, of_a_record):
        assert len(set(streams)) == len(streams)


def test_inputs_that_nothing_reads(inputs):
    with pytest.raises(ValueError, match="nothing that no component reads"):
        inference.encode(make_vae(), inputs | {"label": tf.zeros([5])}, as_seed(0))
