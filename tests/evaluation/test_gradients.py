import numpy as np
import pytest
import tensorflow as tf

from tests.support import dataset, make_decoder, make_vae
from tfvae.decoders import Bridge
from tfvae.evaluation.latent import gradient_norms
from tfvae.evaluation.metrics import of_group
from tfvae.latents import Deterministic, Gaussian
from tfvae.models import LanguageModel
from tfvae.objectives import KL, BagOfWords, Reconstruction
from tfvae.seeds import as_seed, fold_in


def norms_by_hand(model, inputs, cost):
    """Central differences of a cost `[B]` by each component of the code."""
    seed = fold_in(as_seed(0), 0)
    code = model.encoder(inputs["tokens"]).numpy().astype("float64")

    def costs(moved):
        params = model.posterior(tf.constant(moved, tf.float32))
        z, log_q = model.posterior.sample(params, 1, fold_in(seed, 1))
        memory = model.bridge(z)
        return np.asarray(cost(params, z, memory), "float64")

    columns = []
    for column in range(code.shape[1]):
        step = 1e-2 * np.eye(code.shape[1])[column]
        columns.append((costs(code + step) - costs(code - step)) / 2e-2)
    gradient = np.stack(columns, -1)
    return np.sqrt((gradient**2).reshape(len(code), -1).sum(-1))


@pytest.fixture
def model():
    return make_vae(
        posterior=Gaussian(2),
        bridge=Bridge((5,)),
        objective=[Reconstruction(), KL(0.5), BagOfWords(0.25, name="bag")],
    )


def test_norms_equal_finite_differences(model, inputs):
    result = gradient_norms(model, [inputs], training=False)
    tokens = inputs["tokens"]

    def reconstruction(params, z, memory):
        return -model.decoder.log_prob(tokens, memory)[0]

    def kl(params, z, memory):
        log_variance, loc = params["log_variance"], params["loc"]
        inside = loc**2 + tf.exp(log_variance) - log_variance - 1.0
        return 0.5 * tf.reduce_sum(inside, -1)

    expected = norms_by_hand(model, inputs, reconstruction)
    assert result["gradient_reconstruction"] == pytest.approx(expected.mean(), rel=1e-3)
    squared = (expected**2).mean()
    assert result["gradient_reconstruction_squared"] == pytest.approx(squared, rel=2e-3)
    expected = norms_by_hand(model, inputs, kl).mean()
    assert result["gradient_regulariser"] == pytest.approx(expected, rel=1e-3)
    jacobian = norms_by_hand(model, inputs, lambda params, z, memory: memory[0])
    params = model.posterior(model.encoder(tokens))
    z, _ = model.posterior.sample(params, 1, fold_in(fold_in(as_seed(0), 0), 1))
    size = np.linalg.norm(model.bridge(z)[0], axis=-1)
    expected = (jacobian / size).mean()
    assert result["gradient_memory"] == pytest.approx(expected, rel=1e-3)
    assert result["num_gradient_norms"] == len(tokens)
    assert set(result) <= set(of_group("gradients"))


def test_the_objective_is_the_weighted_sum(inputs):
    model = make_vae(objective=[Reconstruction(2.0), KL(0.0)])
    result = gradient_norms(model, [inputs], training=False)
    norm = result["gradient_reconstruction"]
    assert result["gradient_objective"] == pytest.approx(2 * norm, rel=1e-5)
    assert norm > 0.0


@pytest.mark.slow
def test_without_densities_the_regulariser_is_the_rest(inputs):
    model = make_vae(
        posterior=Deterministic(2), objective=[Reconstruction(), BagOfWords(0.25)]
    )
    result = gradient_norms(model, dataset(inputs["tokens"], 2), training=False)
    assert result["gradient_regulariser"] > 0.0
    assert result["num_gradient_norms"] == len(inputs["tokens"])
    one = gradient_norms(model, dataset(inputs["tokens"], 2), max_batches=1)
    assert one["num_gradient_norms"] == 2


def test_refusals(inputs, model):
    with pytest.raises(ValueError, match="Use a `VAE`"):
        gradient_norms(LanguageModel(make_decoder(conditioning=())), [inputs])
    with pytest.raises(ValueError, match="at least one batch"):
        gradient_norms(model, [])
