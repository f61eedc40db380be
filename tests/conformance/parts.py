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
from tfvae.decoders import Bridge, ConvolutionalDecoder, LabelledDecoders
from tfvae.encoders import (
    CodeNoise,
    ContextEncoder,
    JoinedConditions,
    LabelEncoder,
    TurnEncoder,
)
from tfvae.latents import (
    Deep,
    DeltaGaussian,
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
from tfvae.loops import Alternating, Lagging, Pretraining
from tfvae.models import LanguageModel, SVIRefiner
from tfvae.objectives import (
    GECO,
    KL,
    MMD,
    BagOfWords,
    Constant,
    CopulaLikelihood,
    Coupling,
    Cyclical,
    DualKL,
    ImportanceWeighted,
    Linear,
    MinimumRate,
    MutualInformation,
    Peaking,
    PIControl,
    Piecewise,
    Reconstruction,
    Sigmoid,
    StyleAdversary,
    UnitVarianceKL,
    Wasserstein,
)
from tfvae.samplers import Ancestral, BeamSearch, Greedy, Nucleus, TopK
from tfvae.seeds import as_seed

NOISY = {"input_dropout": 0.3, "output_dropout": 0.3, "word_dropout": 0.3}
EVERYWHERE = ("state", "cell", "inputs", "bos", "output")


def _shared():
    return make_vae(share_embedding=True, prior=Gaussian(2), num_samples=2, seed=4)


def _dual(weight, joint=True, **options):
    """Creates a term that costs something whatever its critic's first weights are."""
    return DualKL(weight, joint, (5,), nonnegative=False, **options)


def _convolutional():
    options = NOISY | {"memory_dropout": 0.3, "projection_dim": 5}
    return ConvolutionalDecoder(VOCABULARY_SIZE, 3, 4, (1, 2), **options)


class Component(typing.NamedTuple):
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
        """Creates the part and its weights."""
        part = self.make()
        self.usage.build(part)
        return part

    def run(self, part, seed=1):
        """Runs the part on the example inputs."""
        return self.usage.run(part, self.usage.inputs(), as_seed(seed))


PARTS = [
    Component("lstm", "encoder", lambda: make_encoder(use_cell=True)),
    Component(
        "two_gru", "encoder", lambda: make_encoder(cell="gru", bidirectional=True)
    ),
    Component(
        "noisy", "encoder", lambda: make_encoder(dropout=0.3, add_eos=False), True
    ),
    Component(
        "mean",
        "encoder",
        lambda: make_encoder(cell="gru", bidirectional=True, pooling="mean"),
    ),
    Component("largest", "encoder", lambda: make_encoder(use_cell=True, pooling="max")),
    Component("on_sphere", "encoder", lambda: CodeNoise(make_encoder(), 0.3), True),
    Component("context", "condition", lambda: ContextEncoder(make_encoder())),
    Component(
        "turns",
        "condition",
        lambda: TurnEncoder(make_encoder(dropout=0.3), 5, False, 0.2),
        True,
    ),
    Component("label", "condition", lambda: LabelEncoder(3, 2)),
    Component(
        "joined",
        "condition",
        lambda: JoinedConditions([TurnEncoder(make_encoder(), 5), LabelEncoder(3)]),
    ),
    Component("diagonal", "latent", lambda: Gaussian(3, initializer="he_normal"), True),
    Component("full", "latent", lambda: Gaussian(3, covariance="full"), True),
    Component("normed", "latent", lambda: Gaussian(3, batch_normalization=True), True),
    Component("tight", "latent", lambda: Gaussian(3, initial_scale=0.1), True),
    Component(
        "fixed_norm", "latent", lambda: Gaussian(3, normalized_mean_scale=0.6), True
    ),
    Component("delta", "latent", lambda: DeltaGaussian(3, rate=0.6), True),
    Component("deterministic", "latent", lambda: Deterministic(3)),
    Component(
        "normed_point", "latent", lambda: Deterministic(3, batch_normalization=True)
    ),
    Component("copula", "latent", lambda: GaussianCopula(3, per_dimension=True), True),
    Component(
        "copula_prior",
        "latent",
        lambda: GaussianCopula(3, standard_marginals=True),
        True,
    ),
    Component("flow", "latent", lambda: PlanarFlow(3, num_flows=2), True),
    Component(
        "flow_of_code", "latent", lambda: PlanarFlow(3, 2, conditional=True), True
    ),
    Component("implicit", "latent", lambda: Implicit(3, 2, (5,)), True),
    Component("mixture", "latent", lambda: GaussianMixture(3, 2, 0.3), True),
    Component("deep", "latent", lambda: Deep(Gaussian(3), (5, 4), "relu", True), True),
    Component(
        "pushed", "latent", lambda: Pushforward(GaussianMixture(2, 2), 3, (5,)), True
    ),
    Component(
        "sphere", "latent", lambda: VonMisesFisher(3, max_concentration=9.0), True
    ),
    Component("fixed", "latent", lambda: VonMisesFisher(3, 7.5), True),
    Component("uniform", "latent", lambda: SphericalUniform(3), True),
    Component("standard", "latent", lambda: StandardNormal(3), True),
    Component("plain", "bridge", lambda: Bridge()),
    Component("layers", "bridge", lambda: Bridge((5, 4))),
    Component("lstm", "decoder", lambda: make_decoder(conditioning=EVERYWHERE)),
    Component("gru", "decoder", lambda: make_decoder(cell="gru", projection_dim=4)),
    Component(
        "noisy", "decoder", lambda: make_decoder(**NOISY, memory_dropout=0.3), True
    ),
    Component("convolutional", "decoder", lambda: _convolutional(), True),
    Component(
        "labelled", "decoder", lambda: LabelledDecoders([make_decoder() for _ in "ab"])
    ),
    Component("reconstruction", "term", lambda: Reconstruction(2.0)),
    Component("kl", "term", lambda: KL(Linear(10))),
    Component("free", "term", lambda: KL(free_bits=0.3, free_bits_over="batch")),
    Component("importance_weighted", "term", lambda: ImportanceWeighted(0.5)),
    Component("spread", "term", lambda: UnitVarianceKL()),
    Component("bag", "term", lambda: BagOfWords(0.5, hidden_dim=6)),
    Component("copula", "term", lambda: CopulaLikelihood(0.4, floor=0.7)),
    Component("mmd", "term", lambda: MMD(3.0, "rbf", 4.0, (0.5, 1.0)), True),
    Component("mine", "term", lambda: MutualInformation(2, "nwj", (5,), 0.5, 4.0)),
    Component("style", "term", lambda: StyleAdversary(0.5, "flipped", False, (5,))),
    Component("dual", "term", lambda: _dual(0.5), True),
    Component(
        "dual_marginal",
        "term",
        lambda: _dual(1, False, critic_optimizer="sgd", num_critic_steps=2),
        True,
    ),
    Component(
        "dual_smooth",
        "term",
        lambda: _dual(1, form="donsker_varadhan", slope_penalty=0.5),
        True,
    ),
    Component(
        "wasserstein",
        "term",
        lambda: Wasserstein(0.5, 5.0, "batch_mean", 0.1, (5,), "rmsprop", 2),
        True,
    ),
    Component(
        "coupling", "term", lambda: Coupling(2, Linear(9), decoder=make_decoder())
    ),
    Component("critic", "term", lambda: ToyCritic(0.5, "rmsprop", 2)),
    Component("constant", "schedule", lambda: Constant(0.5)),
    Component("linear", "schedule", lambda: Linear(10, first=0.1, last=2, start=3)),
    Component("sigmoid", "schedule", lambda: Sigmoid(9, width=2, last=3)),
    Component("cyclical", "schedule", lambda: Cyclical(20, 2, 0.8, last=2, start=1)),
    Component("peaking", "schedule", lambda: Peaking(9, 3, 8)),
    Component("piecewise", "schedule", lambda: Piecewise([0, 9], [1, 2])),
    Component("pi", "control", lambda: PIControl(3.0, 0.1, 0.2, 0.1, 2.0)),
    Component("geco", "control", lambda: GECO(3.0, 0.1, 0.8, 2.0, 0.1, 9.0)),
    Component("rate", "control", lambda: MinimumRate(3.0, 0.1)),
    Component("vae", "model", lambda: make_vae(decoder=make_decoder(**NOISY)), True),
    Component("shared", "model", lambda: _shared(), True),
    Component(
        "language", "model", lambda: LanguageModel(make_decoder(conditioning=()))
    ),
    Component("alternating", "loop", Alternating),
    Component("lagging", "loop", lambda: Lagging(5, 20)),
    Component("pretraining", "loop", lambda: Pretraining(3, "sample")),
    Component("svi", "refiner", lambda: SVIRefiner(2, 0.1, 0.2, 3.0, difference=0.1)),
    Component("greedy", "sampler", lambda: Greedy(allow_unknown=False)),
    Component("ancestral", "sampler", lambda: Ancestral(0.7), True),
    Component("top_k", "sampler", lambda: TopK(3), True),
    Component("nucleus", "sampler", lambda: Nucleus(0.8), True),
    Component("beam", "sampler", lambda: BeamSearch(2, 0.5)),
]


def over_parts(*kinds):
    """Parametrises a test over the table, or over some kinds of parts."""
    chosen = [part for part in PARTS if not kinds or part.kind in kinds]
    names = [f"{part.kind}-{part.name}" for part in chosen]
    return pytest.mark.parametrize("row", chosen, ids=names)


SAVED = tuple(kind for kind in KINDS if KINDS[kind].in_model is not None)
