from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import (
    LENGTHS,
    VOCABULARY_SIZE,
    make_decoder,
    make_encoder,
    make_vae,
)
from tfvae.decoders import Bridge, RecurrentDecoder
from tfvae.latents import Deterministic, Gaussian, StandardNormal
from tfvae.objectives import KL, Reconstruction
from tfvae.seeds import as_seed

ROWS = len(LENGTHS)


def test_parts_that_are_not_given():
    model = make_vae()
    assert isinstance(model.prior, StandardNormal)
    assert isinstance(model.bridge, Bridge)
    assert [type(term) for term in model.objective] == [Reconstruction, KL]


def test_everything_is_built_in_the_constructor():
    model = make_vae(bridge=Bridge((3,)))
    assert model.built
    shapes = [tuple(weight.shape) for weight in model.encoder.weights]
    assert shapes == [(VOCABULARY_SIZE, 3), (3, 16), (4, 16), (16,)]
    assert len(model.weights) > 15


@pytest.mark.parametrize("num_samples", [1, 3])
def test_forward_record(inputs, num_samples):
    model = make_vae(bridge=Bridge((6,)), num_samples=num_samples)
    forward = model.forward(inputs, seed=5)
    assert forward.code.shape == (ROWS, 4)
    assert forward.z.shape == (num_samples, ROWS, 2)
    assert forward.memory.shape == (num_samples, ROWS, 6)
    assert forward.log_q.shape == forward.log_likelihood.shape == (num_samples, ROWS)
    np.testing.assert_array_equal(forward.memory, model.bridge(forward.z))
    expected = model.decoder.log_prob(inputs["tokens"], forward.memory)
    np.testing.assert_allclose(forward.log_likelihood, expected, rtol=1e-5)
    loc, log_variance = forward.params["loc"], forward.params["log_variance"]
    density = stats.norm(loc, np.exp(0.5 * log_variance.numpy()))
    expected = density.logpdf(forward.z.numpy()).sum(-1)
    np.testing.assert_allclose(forward.log_q, expected, rtol=1e-3, atol=1e-4)
    assert forward.prior.batch_shape == [ROWS]
    assert forward.prior.event_shape == [2]


def test_forward_takes_more_samples_and_seeds(inputs):
    model = make_vae(seed=7)
    assert model.forward(inputs, num_samples=4).z.shape == (4, ROWS, 2)
    default = model.forward(inputs).z.numpy()
    assert (model.forward(inputs, seed=7).z.numpy() == default).all()
    assert (model.forward(inputs, seed=(7, 0)).z.numpy() == default).all()
    assert (model.forward(inputs, seed=8).z.numpy() != default).all()


def test_bounds(inputs):
    model = make_vae()
    forward = model.forward(inputs, num_samples=2)
    bounds = model.likelihood_metrics(forward)
    loc = forward.params["loc"].numpy()
    log_variance = forward.params["log_variance"].numpy()
    kl = 0.5 * (np.exp(log_variance) + loc**2 - 1.0 - log_variance).sum(-1)
    np.testing.assert_allclose(bounds["kl"], kl, rtol=1e-4)
    expected = kl - forward.log_likelihood.numpy().mean(0)
    np.testing.assert_allclose(bounds["nelbo"], expected, rtol=1e-5)


def test_the_bound_is_one(inputs):
    # The mean over 2000 importance weights estimates log p(x); the bound is above.
    model = make_vae()
    forward = model.forward(inputs, num_samples=2000)
    log_weights = (
        forward.log_likelihood + forward.prior.log_prob(forward.z) - forward.log_q
    ).numpy()
    nll = -np.log(np.exp(log_weights).mean(0))
    error = log_weights.std(0) / 2000**0.5
    nelbo = model.likelihood_metrics(forward)["nelbo"].numpy()
    assert (nelbo > nll - 4 * error).all()
    np.testing.assert_allclose(nelbo, -log_weights.mean(0), atol=4 * error.max())


def test_encode_gives_the_parameters_of_forward(inputs):
    model = make_vae()
    params = model.posterior_params(inputs)
    expected = model.forward(inputs).params
    assert set(params) == {"loc", "log_variance"}
    for name, values in params.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-6)


def test_sample_prior():
    model = make_vae(prior=Gaussian(2))
    model.prior.heads["loc"].bias.assign([5.0, -5.0])
    model.prior.heads["log_variance"].bias.assign([0.0, 0.0])
    z = model.sample_prior(10000, seed=1).numpy()
    assert z.shape == (10000, 2)
    assert (abs(z.mean(0) - [5.0, -5.0]) < 4 / 100).all()
    assert (model.sample_prior(5, 1).numpy() != model.sample_prior(5, 2).numpy()).all()


def test_a_learned_prior_is_trained(inputs):
    model = make_vae(prior=Gaussian(2))
    with tf.GradientTape() as tape:
        loss, *_ = model.loss_and_costs(model.forward(inputs), None)
    bias = model.prior.heads["loc"].bias
    assert np.abs(tape.gradient(loss, bias.value)).max() > 0


def test_dropout_acts_in_training_only(inputs):
    model = make_vae(encoder=make_encoder(dropout=0.5))
    plain = model.forward(inputs, seed=1).code.numpy()
    assert (model.forward(inputs, seed=2).code.numpy() == plain).all()
    noisy = model.forward(inputs, seed=1, training=True).code.numpy()
    assert (noisy != plain).any()


def test_two_models_may_share_a_part(inputs):
    encoder = make_encoder()
    first = make_vae(encoder=encoder)
    before = encoder.get_weights()
    second = make_vae(encoder=encoder)
    for one, other in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert second.encoder is first.encoder


class OnSphere(StandardNormal):
    """A latent that claims another support."""

    support = "sphere"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_vae(num_samples=0), "`num_samples` must be positive.*=0"),
        (
            lambda: make_vae(prior=StandardNormal(3)),
            "need one `latent_dim`.*prior=3, posterior=2",
        ),
        (
            lambda: make_vae(prior=OnSphere(2)),
            "need one support.*prior on 'sphere', posterior on 'real'",
        ),
        (
            lambda: make_vae(decoder=RecurrentDecoder(VOCABULARY_SIZE + 1, 3, 4)),
            "`encoder` and `decoder` need one `vocabulary_size`. Received: 11 and 12",
        ),
        (
            lambda: make_vae(
                decoder=make_decoder(embedding_dim=5), share_embedding=True
            ),
            "need one `embedding_dim` to share embeddings. Received: 3 and 5",
        ),
        (
            lambda: make_vae(
                tokenizer=SimpleNamespace(vocabulary_size=9, has_vocabulary=True)
            ),
            "`tokenizer` and `decoder` need one `vocabulary_size`.*9 and 11",
        ),
        (
            lambda: make_vae(decoder=make_decoder(conditioning=("bos",))),
            "set the bridge's last width .* to 3. Received: memory_dim=2",
        ),
        (
            lambda: make_vae(posterior=Deterministic(2)),
            "`KL` needs a posterior with a density.*posterior=Deterministic",
        ),
    ],
)
def test_parts_that_do_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_decode_reads_the_latent_through_the_bridge():
    model = make_vae(bridge=Bridge((3,)))
    z = model.sample_prior(4, seed=0)
    found = model.decode_ids(z, max_length=7)
    assert found.shape == (4, 7)
    memory = model.bridge(z[None])[0]
    state = model.decoder.initial_state(memory, 7)
    logits, _ = model.decoder.next_logits(tf.fill([4], 1), memory, state)
    banned = np.where(np.arange(VOCABULARY_SIZE) < 2, -np.inf, logits.numpy())
    assert (found.numpy()[:, 0] == banned.argmax(-1)).all()


def test_generate_follows_its_seed():
    model = make_vae()
    first = model.generate_ids(6, max_length=5, seed=1).numpy()
    assert first.shape == (6, 5)
    assert (first == model.generate_ids(6, max_length=5, seed=1).numpy()).all()
    assert (first != model.generate_ids(6, max_length=5, seed=2).numpy()).any()
    assert (
        model.generate_ids(6, max_length=5).numpy()
        == model.generate_ids(6, max_length=5, seed=as_seed(0)).numpy()
    ).all()
