"""The one table of every public part; a new part is one more line."""

import typing

import pytest

from tests.conformance.kinds import KINDS
from tests.support import (
    VOCABULARY_SIZE,
    ToyCritic,
    make_decoder,
    make_encoder,
    make_vae,
)
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
from tfvae.models import Lagging, LanguageModel, Pretraining, SVIRefiner
from tfvae.models.sampling import Ancestral, BeamSearch, Greedy, Nucleus, TopK
from tfvae.objectives import (
    KL,
    MMD,
    BagOfWords,
    Constant,
    CopulaLikelihood,
    Coupling,
    Cyclical,
    DualKL,
    Linear,
    MutualInformation,
    Peaking,
    Piecewise,
    Reconstruction,
    Sigmoid,
)
from tfvae.seeds import as_seed

NOISY = {"input_dropout": 0.3, "output_dropout": 0.3, "word_dropout": 0.3}
EVERYWHERE = ("state", "cell", "steps", "first")


def _shared():
    return make_vae(share_embedding=True, prior=Gaussian(2), num_samples=2, seed=4)


def _convolutional():
    options = NOISY | {"memory_dropout": 0.3, "projection_dim": 5}
    return ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, (1, 2), **options)


class Part(typing.NamedTuple):
    """One row of the table.

    Attributes:
        name: Str, tells the rows apart.
        kind: Key of `KINDS`.
        make: Function of no arguments, a new part with its usual arguments changed.
        is_random: Whether results depend on the seed.
    """

    name: str
    kind: str
    make: typing.Callable
    is_random: bool = False

    @property
    def usage(self):
        """How parts of this kind are used."""
        return KINDS[self.kind]

    def built(self):
        """Makes the part and its weights."""
        part = self.make()
        self.usage.build(part)
        return part

    def run(self, part, seed=1):
        """Runs the part on the example inputs."""
        return self.usage.run(part, self.usage.inputs(), as_seed(seed))


PARTS = [
    Part("lstm", "encoder", lambda: make_encoder(use_cell=True)),
    Part("two_gru", "encoder", lambda: make_encoder(cell="gru", bidirectional=True)),
    Part("noisy", "encoder", lambda: make_encoder(dropout=0.3, marks="begin"), True),
    Part("diagonal", "latent", lambda: Gaussian(3, initializer="he_normal"), True),
    Part("full", "latent", lambda: Gaussian(3, covariance="full"), True),
    Part("normed", "latent", lambda: Gaussian(3, batch_normalization=True), True),
    Part("deterministic", "latent", lambda: Deterministic(3)),
    Part("copula", "latent", lambda: GaussianCopula(3, per_dimension=True), True),
    Part("flow", "latent", lambda: PlanarFlow(3, num_flows=2), True),
    Part("flow_of_code", "latent", lambda: PlanarFlow(3, 2, conditional=True), True),
    Part("implicit", "latent", lambda: Implicit(3, 2, (5,)), True),
    Part("sphere", "latent", lambda: VonMisesFisher(3, max_concentration=9.0), True),
    Part("fixed", "latent", lambda: VonMisesFisher(3, 7.5), True),
    Part("uniform", "latent", lambda: SphericalUniform(3), True),
    Part("standard", "latent", lambda: StandardNormal(3), True),
    Part("plain", "bridge", lambda: Bridge()),
    Part("layers", "bridge", lambda: Bridge((5, 4))),
    Part("lstm", "decoder", lambda: make_decoder(inject=EVERYWHERE)),
    Part("gru", "decoder", lambda: make_decoder(cell="gru", projection_dim=4)),
    Part("noisy", "decoder", lambda: make_decoder(**NOISY, memory_dropout=0.3), True),
    Part("convolutional", "decoder", lambda: _convolutional(), True),
    Part("reconstruction", "term", lambda: Reconstruction(2.0)),
    Part("kl", "term", lambda: KL(Linear(10))),
    Part("free", "term", lambda: KL(free_bits=0.3, free_bits_over="batch")),
    Part("spread", "term", lambda: KL(against="unit_variance")),
    Part("bag", "term", lambda: BagOfWords(0.5, hidden_dim=6)),
    Part("copula", "term", lambda: CopulaLikelihood(0.4, floor=0.7)),
    Part("mmd", "term", lambda: MMD(3.0, "rbf", 4.0, (0.5, 1.0)), True),
    Part("mine", "term", lambda: MutualInformation(2, "nwj", (5,), 0.5, 4.0)),
    Part("dual", "term", lambda: DualKL(0.5, hidden_dims=(5,)), True),
    Part("dual_marginal", "term", lambda: DualKL(1, False, (5,), "sgd", 2), True),
    Part("coupling", "term", lambda: Coupling(2, Linear(9), decoder=make_decoder())),
    Part("critic", "term", lambda: ToyCritic(0.5, "rmsprop", 2)),
    Part("constant", "schedule", lambda: Constant(0.5)),
    Part("linear", "schedule", lambda: Linear(10, first=0.1, last=2, start=3)),
    Part("sigmoid", "schedule", lambda: Sigmoid(9, width=2, last=3)),
    Part("cyclical", "schedule", lambda: Cyclical(20, 2, 0.8, last=2, start=1)),
    Part("peaking", "schedule", lambda: Peaking(9, 3, 8)),
    Part("piecewise", "schedule", lambda: Piecewise([0, 9], [1, 2])),
    Part("vae", "model", lambda: make_vae(decoder=make_decoder(**NOISY)), True),
    Part("shared", "model", lambda: _shared(), True),
    Part("language", "model", lambda: LanguageModel(make_decoder(inject=()))),
    Part("lagging", "pattern", lambda: Lagging(5, 20)),
    Part("pretraining", "pattern", lambda: Pretraining(3, "sample")),
    Part("svi", "refiner", lambda: SVIRefiner(2, 0.1, 0.2, 3.0, difference=0.1)),
    Part("greedy", "sampler", lambda: Greedy(allow_unknown=False)),
    Part("ancestral", "sampler", lambda: Ancestral(0.7), True),
    Part("top_k", "sampler", lambda: TopK(3), True),
    Part("nucleus", "sampler", lambda: Nucleus(0.8), True),
    Part("beam", "sampler", lambda: BeamSearch(2, 0.5)),
]


def over_parts(*kinds):
    """Parametrises a test over the table, or over some kinds of parts."""
    chosen = [part for part in PARTS if not kinds or part.kind in kinds]
    names = [f"{part.kind}-{part.name}" for part in chosen]
    return pytest.mark.parametrize("row", chosen, ids=names)


SAVED = tuple(kind for kind in KINDS if KINDS[kind].in_model is not None)
