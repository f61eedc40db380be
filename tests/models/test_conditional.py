"""Models that know something beside the sentence."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.support import batch, make_decoder, make_encoder, make_vae
from tfvae.decoders import Bridge
from tfvae.encoders import ContextEncoder, LabelEncoder
from tfvae.latents import (
    Gaussian,
    StandardNormal,
)
from tfvae.models import LanguageModel
from tfvae.objectives import (
    KL,
    MMD,
    Coupling,
    Reconstruction,
)

TOKENS = batch((4, 2, 3, 1))
CONTEXT = batch((2, 3, 1, 3), seed=1)
INPUTS = {"tokens": tf.constant(TOKENS), "context": tf.constant(CONTEXT)}


def conditional(**parts):
    return make_vae(**{"condition": ContextEncoder(make_encoder())} | parts)


def test_nothing_leaks_from_the_sentence():
    model = conditional(posterior=Gaussian(3))
    first = model.forward(INPUTS, seed=1)
    other = {**INPUTS, "tokens": INPUTS["tokens"][::-1]}
    second = model.forward(other, seed=1)
    np.testing.assert_array_equal(first.context, second.context)
    np.testing.assert_array_equal(first.prior.mean(), second.prior.mean())
    np.testing.assert_array_equal(first.prior.stddev(), second.prior.stddev())
    assert np.abs(first.code - second.code).max() > 1e-4
    # The prior is learned, and of each row's own context.
    assert isinstance(model.prior, Gaussian)
    assert np.ptp(first.prior.mean().numpy(), axis=0).min() > 0.0


def _differ(one, other):
    return bool(np.abs(np.asarray(one) - np.asarray(other)).max() > 1e-6)


def test_what_reads_the_context_can_be_chosen():
    moved = {**INPUTS, "context": INPUTS["context"][::-1]}
    for places in itertools.chain(
        itertools.combinations(("posterior", "prior", "bridge"), 1),
        [("posterior", "prior", "bridge")],
    ):
        model = conditional(context_to=places)
        first, second = (model.forward(each, seed=1) for each in (INPUTS, moved))
        assert _differ(first.code, second.code) == ("posterior" in places)
        means = first.prior.mean(), second.prior.mean()
        assert _differ(*means) == ("prior" in places)
        widths = model.widths
        assert (widths["memory_dim"] > 2) == ("bridge" in places)


def test_equal_posterior_and_prior_cost_nothing():
    # The posterior reads the context alone and has the prior's weights.
    model = conditional(context_to=("posterior", "prior"))
    code_dim, context_dim = model.encoder.code_dim, model.context_dim
    for name, head in model.posterior.heads.items():
        own = model.prior.heads[name]
        head.kernel.assign(tf.concat([tf.zeros([code_dim, 2]), own.kernel], 0))
        head.bias.assign(own.bias)
    assert context_dim == 4
    forward = model.forward(INPUTS, num_samples=4, seed=1)
    np.testing.assert_allclose(model.likelihood_metrics(forward)["kl"], 0.0, atol=1e-6)


def test_an_encoder_decoder_has_an_exact_likelihood():
    model = LanguageModel(
        make_decoder(conditioning=("state",)), condition=ContextEncoder(make_encoder())
    )
    nll = model.forward(INPUTS).log_likelihood
    moved = {**INPUTS, "context": INPUTS["context"][::-1]}
    assert nll.shape == (1, 4)
    assert np.abs(nll - model.forward(moved).log_likelihood).max() > 1e-5


def test_a_posterior_may_read_the_context_in_place_of_the_sentence():
    model = make_vae(encoder_reads="context")
    assert model.requires == ("context",)
    first = model.forward(INPUTS, seed=1)
    second = model.forward({**INPUTS, "tokens": INPUTS["tokens"][::-1]}, seed=1)
    np.testing.assert_array_equal(first.z, second.z)
    # The sum with the reconstruction is no bound of the sentence's likelihood.
    assert set(model.likelihood_metrics(first)) == {"kl"}


def test_matching_does_not_teach_what_both_paths_share():
    for released in (False, True):
        coupling = Coupling(released_gradient=released)
        model = conditional(
            bridge=Bridge((5, 3)), objective=[Reconstruction(), KL(), coupling]
        )
        kernel = model.bridge.context_layer.kernel
        with tf.GradientTape() as tape:
            forward = model.forward(INPUTS, seed=1)
            matching = tf.reduce_sum(coupling.costs(forward)["matching"])
        gradient = tape.gradient(matching, kernel.value)
        assert (np.abs(gradient).max() > 1e-6) == released
        # The distance does not depend on that map either way.
        kernel.assign(kernel.value + 1.0)
        moved = coupling.costs(model.forward(INPUTS, seed=1))["matching"]
        np.testing.assert_allclose(tf.reduce_sum(moved), matching, rtol=1e-4)


def test_refusals():
    with pytest.raises(ValueError, match="MMD.*StandardNormal"):
        conditional(objective=[Reconstruction(), MMD()])
    conditional(prior=StandardNormal(2), context_to=("bridge",), objective=[MMD()])
    with pytest.raises(ValueError, match="must hold 'context', 'tokens'"):
        conditional().forward({"tokens": INPUTS["tokens"]})
    with pytest.raises(ValueError, match="must hold 'tokens' and nothing"):
        make_vae().forward(INPUTS)
    with pytest.raises(ValueError, match="`context_to` must hold"):
        conditional(context_to=("decoder",))
    with pytest.raises(ValueError, match="`encoder_reads` must be"):
        make_vae(encoder_reads="label")
    with pytest.raises(ValueError, match="must read it"):
        LanguageModel(make_decoder(conditioning=()), condition=LabelEncoder(2))
    with pytest.raises(ValueError, match="reads a context"):
        conditional().sample_prior(2, 0)
    with pytest.raises(ValueError, match="given a context.*Use `respond`"):
        conditional().export("unwritten")
    with pytest.raises(ValueError, match="reads a context. Received: contexts=None"):
        conditional().decode([[0.0, 0.0]], return_ids=True)
