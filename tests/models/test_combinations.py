"""Every posterior with every term and decoder, coupled or not."""

import itertools

import keras
import numpy as np
import pytest

from tests.support import VOCABULARY_SIZE, batch, dataset, make_decoder, make_vae
from tfvae.decoders import Bridge, ConvolutionalDecoder
from tfvae.latents import (
    Deterministic,
    Gaussian,
    GaussianCopula,
    Implicit,
    PlanarFlow,
    SphericalUniform,
    StandardNormal,
    VonMisesFisher,
)
from tfvae.objectives import (
    KL,
    MMD,
    BagOfWords,
    CopulaLikelihood,
    Coupling,
    DualKL,
    MutualInformation,
    Reconstruction,
    UnitVarianceKL,
)

POSTERIORS = {
    "deterministic": lambda: Deterministic(3),
    "diagonal": lambda: Gaussian(3),
    "full": lambda: Gaussian(3, covariance="full"),
    "copula": lambda: GaussianCopula(3),
    "planar": lambda: PlanarFlow(3, num_flows=1),
    "planar_of_code": lambda: PlanarFlow(3, 1, conditional=True),
    "sphere": lambda: VonMisesFisher(3, max_concentration=9.0),
    "implicit": lambda: Implicit(3, hidden_dims=(4,)),
}
TERMS = {
    "kl": lambda: KL(),
    "free_bits": lambda: KL(free_bits=0.3),
    "unit_variance": lambda: UnitVarianceKL(),
    "mmd": lambda: MMD(),
    "copula": lambda: CopulaLikelihood(0.4),
    "mine": lambda: MutualInformation(hidden_dims=(4,)),
    "dual": lambda: DualKL(hidden_dims=(4,), num_critic_steps=1),
    "dual_marginal": lambda: DualKL(joint=False, hidden_dims=(4,), num_critic_steps=1),
    "bag": lambda: BagOfWords(hidden_dim=4),
}
DECODERS = {
    "recurrent": lambda: make_decoder(),
    "convolutional": lambda: ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, size=(1, 2)),
}
# What a term needs of the posterior; the others go with all.
NEEDS = {
    "kl": set(POSTERIORS) - {"deterministic", "implicit"},
    "free_bits": {"diagonal"},
    "unit_variance": {"diagonal", "full", "copula"},
    "copula": {"diagonal"},
}
REFUSALS = {
    "kl": "needs a posterior with a density",
    "free_bits": "needs a posterior (with a density|and a prior with independent)",
    "unit_variance": "needs a (posterior with a density|Gaussian posterior)",
    "copula": "needs a posterior with (a density|independent normal dimensions)",
}
PAIRS = list(itertools.product(POSTERIORS, TERMS))


def is_legal(posterior, term):
    return posterior in NEEDS.get(term, POSTERIORS)


def make(posterior, term, decoder="recurrent", coupled=False):
    latent = POSTERIORS[posterior]()
    prior = SphericalUniform if latent.support == "sphere" else StandardNormal
    objective = [Reconstruction(), TERMS[term]()]
    if coupled:
        objective.append(Coupling())
    return make_vae(
        posterior=latent,
        prior=prior(3),
        decoder=DECODERS[decoder](),
        bridge=Bridge((3,)) if coupled else None,
        objective=objective,
    )


def train(model):
    # Eager: tracing and compiling a graph each would take most of the time.
    model.compile("adam", run_eagerly=True)
    return fit(model)


def fit(model):
    history = model.fit(dataset(batch()), verbose=0, shuffle=False).history
    return history["loss"][0]


@pytest.mark.parametrize("posterior, term", PAIRS)
def test_legal_pairs_train_and_illegal_ones_are_refused(posterior, term):
    if not is_legal(posterior, term):
        with pytest.raises(ValueError, match=REFUSALS[term]) as error:
            make(posterior, term)
        assert "Received: " in str(error.value)
        return
    model = make(posterior, term)
    parts = [model.encoder, model.posterior, model.decoder]
    parts += [each.critic for each in model.critics]
    before = [part.get_weights() for part in parts]
    assert np.isfinite(train(model))
    for part, old in zip(parts, before, strict=True):
        pairs = zip(part.get_weights(), old, strict=True)
        assert any((new != value).any() for new, value in pairs), part.name
    assert int(model.step) == 1


@pytest.mark.slow
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("posterior, term", [p for p in PAIRS if is_legal(*p)])
def test_all_train_save_load_and_continue(posterior, term, decoder, coupled, tmp_path):
    model = make(posterior, term, decoder, coupled)
    assert np.isfinite(train(model))
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    again.run_eagerly = True
    assert fit(again) == fit(model)
    for one, other in zip(again.variables, model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
