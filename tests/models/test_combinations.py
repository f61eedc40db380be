"""Every posterior with every term and decoder, coupled or not, and conditions."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import (
    VOCABULARY_SIZE,
    batch,
    dataset,
    make_decoder,
    make_encoder,
    make_vae,
)
from tfvae.decoders import Bridge, ConvolutionalDecoder
from tfvae.encoders import ContextEncoder, LabelEncoder, TurnEncoder
from tfvae.latents import (
    Deep,
    Deterministic,
    Gaussian,
    GaussianCopula,
    GaussianMixture,
    Implicit,
    PlanarFlow,
    Pushforward,
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
    ImportanceWeighted,
    MutualInformation,
    Reconstruction,
    UnitVarianceKL,
    Wasserstein,
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
    "mixture": lambda: GaussianMixture(3, 2),
    "deep": lambda: Deep(Gaussian(3), (4,)),
    "pushed": lambda: Pushforward(Gaussian(2), 3, (4,)),
}
NO_DENSITY = {"deterministic", "implicit", "pushed"}
TERMS = {
    "kl": lambda: KL(),
    "free_bits": lambda: KL(free_bits=0.3),
    "unit_variance": lambda: UnitVarianceKL(),
    "mmd": lambda: MMD(),
    "copula": lambda: CopulaLikelihood(0.4),
    "mine": lambda: MutualInformation(hidden_dims=(4,)),
    "dual": lambda: DualKL(hidden_dims=(4,), num_critic_steps=1),
    "dual_marginal": lambda: DualKL(joint=False, hidden_dims=(4,), num_critic_steps=1),
    "wasserstein": lambda: Wasserstein(hidden_dims=(4,), num_critic_steps=1),
    "bag": lambda: BagOfWords(hidden_dim=4),
}
DECODERS = {
    "recurrent": lambda: make_decoder(),
    "convolutional": lambda: ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, size=(1, 2)),
}
# What a term needs of the posterior; the others go with all.
NEEDS = {
    "kl": set(POSTERIORS) - NO_DENSITY,
    "free_bits": {"diagonal", "deep"},
    "unit_variance": {"diagonal", "full", "copula", "deep"},
    "copula": {"diagonal", "deep"},
    "wasserstein": set(POSTERIORS) - {"sphere"},
}
REFUSALS = {
    "kl": "needs a posterior with a density",
    "free_bits": "needs a posterior (with a density|and a prior with independent)",
    "unit_variance": "needs a (posterior with a density|Gaussian posterior)",
    "copula": "needs a posterior with (a density|independent normal dimensions)",
    "wasserstein": "off the sphere. Use `MMD`",
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


@pytest.mark.long
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


PRIORS = {
    "standard": lambda: StandardNormal(3),
    "gaussian": lambda: Gaussian(3),
    "mixture": lambda: GaussianMixture(3, 2),
    "deep": lambda: Deep(Gaussian(3), (4,)),
    "pushed": lambda: Pushforward(GaussianMixture(2, 2), 3, (4,)),
    "uniform": lambda: SphericalUniform(3),
    "sphere": lambda: VonMisesFisher(3),
}
OBJECTIVES = TERMS | {
    "prior_always": lambda: KL(free_bits=3.0, free_bits_by="total", prior_always=True),
    "importance_weighted": lambda: ImportanceWeighted(),
    "coupling": lambda: Coupling(),
}
CONDITIONS = {
    "none": lambda: None,
    "context": lambda: ContextEncoder(make_encoder()),
    "turns": lambda: TurnEncoder(make_encoder(), 5),
    "label": lambda: LabelEncoder(3),
}
CONTEXT = batch((2, 3, 1, 4, 2), seed=1)
INPUTS = {
    "none": {},
    "context": {"context": CONTEXT},
    "turns": {"context": np.stack([CONTEXT[::-1], CONTEXT], 1)},
    "label": {"label": np.array([0, 1, 2, 1, 0], "int32")},
}
ON_SPHERE = {"sphere", "uniform"}
TABLE = list(itertools.product(POSTERIORS, PRIORS, OBJECTIVES, CONDITIONS))


def refusal(posterior, prior, objective, condition):
    """Says why a combination makes no sense, `None` where it does."""
    if (posterior in ON_SPHERE) != (prior in ON_SPHERE):
        return "need one support"
    if objective == "mmd" and condition != "none":
        return "a prior that reads a context could ignore it. Use `prior=StandardNorm"
    if objective == "wasserstein" and posterior == "sphere":
        return "off the sphere. Use `MMD` or `DualKL`"
    if objective == "copula" and prior not in ("standard", "uniform"):
        return "rewards small scales, which nothing opposes"
    if objective == "copula" and posterior not in NEEDS["copula"]:
        return REFUSALS["copula"]
    reads_density = {"kl", "free_bits", "unit_variance", "prior_always"}
    if objective in reads_density | {"importance_weighted"}:
        for role, name in (("posterior", posterior), ("prior", prior)):
            if name in NO_DENSITY:
                return f"needs a {role} with a density. Use a latent such as `Gaussian`"
    if objective == "unit_variance" and posterior not in NEEDS["unit_variance"]:
        return "Use `Gaussian`, or `KL`"
    # Those whose dimensions are independent normals.
    plain = {"diagonal", "gaussian", "deep", "standard"}
    if objective == "free_bits" and not {posterior, prior} <= plain:
        return "Use `free_bits_by='total'`"
    if objective == "prior_always" and prior in ("standard", "uniform"):
        return "needs a prior that is learned, such as `Gaussian`"
    return None


def _rows(wants_legal, every):
    """Lists a part of the table; all but one of `every` are slow."""
    rows = [row for row in TABLE if (refusal(*row) is None) == wants_legal]
    return [
        pytest.param(*row, marks=() if number % every == 0 else pytest.mark.slow)
        for number, row in enumerate(rows)
    ]


def conditional(posterior, prior, objective, condition):
    terms = [Reconstruction(), OBJECTIVES[objective]()]
    is_fixed = prior in ("standard", "uniform")
    if not (is_fixed or terms[1].trains_prior or terms[1].pools_codes):
        # Something has to train the prior.
        has_density = not {posterior, prior} & NO_DENSITY
        terms.append(TERMS["kl" if has_density else "dual_marginal"]())
    return make_vae(
        posterior=POSTERIORS[posterior](),
        prior=PRIORS[prior](),
        condition=CONDITIONS[condition](),
        bridge=Bridge((3,)) if objective == "coupling" else None,
        objective=terms,
    )


@pytest.mark.parametrize("posterior, prior, objective, condition", _rows(False, 151))
def test_what_makes_no_sense_is_refused(posterior, prior, objective, condition):
    row = posterior, prior, objective, condition
    with pytest.raises(ValueError, match=refusal(*row)) as error:
        conditional(*row)
    assert "Received: " in str(error.value)


@pytest.mark.long
@pytest.mark.parametrize("posterior, prior, objective, condition", _rows(True, 151))
def test_with_a_condition_all_train_and_load(
    posterior, prior, objective, condition, tmp_path
):
    model = conditional(posterior, prior, objective, condition)
    model.compile("adam", run_eagerly=True)
    inputs = {"tokens": batch()} | INPUTS[condition]
    data = tf.data.Dataset.from_tensors(inputs)
    history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["val_loss"]).all()
    assert int(model.step) == 2
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    first, second = (each.forward(tensors, seed=3) for each in (model, again))
    np.testing.assert_array_equal(first.log_likelihood, second.log_likelihood)
    # The sentence says nothing about what is known before it.
    other = model.forward({**tensors, "tokens": tensors["tokens"][::-1]}, seed=3)
    draws = [each.prior.sample(2, seed=[1, 2]) for each in (first, other)]
    np.testing.assert_array_equal(*draws)
    if first.context is not None:
        np.testing.assert_array_equal(first.context, other.context)
