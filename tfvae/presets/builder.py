"""From a paper's setting to the parts of a model."""

import dataclasses
import inspect
import typing

import keras

from tfvae.decoders import Bridge, RecurrentDecoder
from tfvae.encoders import (
    ContextEncoder,
    JoinedConditions,
    LabelEncoder,
    RecurrentEncoder,
    TurnEncoder,
)
from tfvae.latents import Gaussian
from tfvae.models import VAE, LanguageModel
from tfvae.objectives import GECO, Coupling, Linear, MinimumRate, PIControl
from tfvae.presets.settings import SETTINGS, Adam, PaperSetting, StepDecay
from tfvae.text import Batches

# By their names in a setting, with the argument that says how fast they are.
_CONTROLS = {
    "pi": (PIControl, "integral"),
    "geco": (GECO, "rate"),
    "minimum_rate": (MinimumRate, "rate"),
}


@dataclasses.dataclass(frozen=True)
class ModelBuilder:
    """Builds the parts of a model that a setting leaves no choice about.

    Presets add what is theirs and call `vae` or `language_model`.

    Attributes:
        setting: `PaperSetting` or the name of one.
        data: `Batches` of the training text, or `None`.
        tokenizer: Tokenizer to save with the model, or `None` for that of `data`.
        vocabulary_size: Int `V`, or `None` for the tokenizer's.
        steps_per_epoch: Int, or `None` for `len(data)`, which is only taken where the
            length of an epoch is needed.
        epochs: Int, the length of training in epochs, or `None`.
        total_steps: Int, the same in steps, or `None`; without either it is the
            setting's budget.
        scale_schedules: Whether annealing and decay shrink or stretch with the given
            length of training relative to the setting's budget.
        seed: Int, of noise in training.
        jit_compile: Whether XLA compiles the steps, see `TextModel.compile`.
        context: `"text"` or `"turns"`, what stands beside the sentences of a batch and
            every model is conditioned on; `None` for what `data` hold.
        num_labels: Int, the labels that models are conditioned on; `None` for those of
            `data`, none where they have none.
        label_names: Sequence of str, the names of the labels by number; `None` for
            those of `data`, or for numbers.
        encoder_reads: `"text"`, or `"context"` for models whose encoder reads the
            context in the place of the sentence, which is then no condition beside it;
            see `VAE`.
        coupling: `Coupling`, a copy of which ends the objective of every `VAE`; or
            `None`.

    Raises:
        ValueError: If the setting is unknown, no vocabulary is given, both `epochs`
            and `total_steps` are, `num_labels` are not as many as there are, or an
            encoder is to read several turns as one text.
    """

    setting: PaperSetting | str
    data: Batches | None = None
    _: dataclasses.KW_ONLY
    tokenizer: keras.layers.Layer | None = None
    vocabulary_size: int | None = None
    steps_per_epoch: int | None = None
    epochs: int | None = None
    total_steps: int | None = None
    scale_schedules: bool = False
    seed: int = 0
    jit_compile: bool | str = "auto"
    coupling: Coupling | None = None
    context: str | None = None
    num_labels: int | None = None
    label_names: typing.Sequence | None = None
    encoder_reads: str = "text"

    def __post_init__(self):
        """Looks up the setting, the tokenizer and the size of its vocabulary."""
        if isinstance(self.setting, str):
            if self.setting not in SETTINGS:
                raise ValueError(
                    f"`setting` must be one of {sorted(SETTINGS)}. "
                    f"Received: setting={self.setting!r}"
                )
            object.__setattr__(self, "setting", SETTINGS[self.setting])
        if self.epochs is not None and self.total_steps is not None:
            raise ValueError(
                "Give `epochs` or `total_steps`, not both. "
                f"Received: epochs={self.epochs}, total_steps={self.total_steps}"
            )
        if self.context not in (None, "text", "turns"):
            raise ValueError(
                "`context` must be 'text', 'turns' or None. "
                f"Received: context={self.context!r}"
            )
        if self.context is None and self.data is not None and self.data.has_context:
            kind = "text" if self.data.max_turns is None else "turns"
            object.__setattr__(self, "context", kind)
        self._set_labels()
        if self.encoder_reads == "context" and self.context != "text":
            raise ValueError(
                "The encoder of this preset reads the context, one text. Give contexts "
                "of one turn (--context-column without --max-turns). "
                f"Received: context={self.context!r}"
            )
        if self.tokenizer is None and self.data is not None:
            object.__setattr__(self, "tokenizer", self.data.tokenizer)
        if self.vocabulary_size is None:
            if self.tokenizer is None:
                raise ValueError(
                    "A model needs a vocabulary: pass the training `data`, a "
                    "`tokenizer` or a `vocabulary_size`. Received: none of them"
                )
            size = self.tokenizer.vocabulary_size
            object.__setattr__(self, "vocabulary_size", size)

    def _set_labels(self):
        """Takes the labels of the data where none are given."""
        names = self.label_names
        if names is None and self.data is not None:
            names = self.data.label_names
        if names is None:
            return
        if self.num_labels not in (None, len(names)):
            raise ValueError(
                "`num_labels` must be that of the data or of `label_names`: leave it "
                f"out. Received: num_labels={self.num_labels}, labels: "
                f"{', '.join(names)}"
            )
        object.__setattr__(self, "label_names", tuple(names))
        object.__setattr__(self, "num_labels", len(names))

    @property
    def num_steps(self):
        """The steps of training: those given, or the setting's budget.

        Raises:
            ValueError: If they are counted in epochs of unknown length.
        """
        if self.total_steps is not None:
            return self.total_steps
        if self.epochs is not None:
            return self.epochs * self._epoch_length("`epochs`")
        return round(self.setting.budget * self._unit_length())

    @property
    def steps_per_unit(self):
        """The steps for one unit of the setting's annealing and decay.

        Raises:
            ValueError: If they are counted in epochs of unknown length.
        """
        is_given = self.total_steps is not None or self.epochs is not None
        if self.scale_schedules and is_given:
            return self.num_steps / self.setting.budget
        return self._unit_length()

    def _unit_length(self):
        if self.setting.unit == "steps":
            return 1
        return self._epoch_length(f"The setting {self.setting.name!r}")

    def _epoch_length(self, what):
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        if self.data is None:
            raise ValueError(
                f"{what} counts in epochs, and the length of an epoch is not known. "
                "Pass the training `data`, or `ModelBuilder(..., steps_per_epoch=...)`."
            )
        return len(self.data)

    @property
    def rescaling(self):
        """By how much annealing and decay are longer than the setting's, a float."""
        if not self.scale_schedules:
            return 1.0
        return self.steps_per_unit / self._unit_length()

    def kl_weight(self, otherwise):
        """Returns the weight of a divergence that the setting may have a target for.

        Args:
            otherwise: Float or `Schedule`, the weight where there is no `target_kl`.

        Returns:
            `otherwise`, or a `Control` whose rate is divided by `rescaling`.

        Raises:
            ValueError: If the setting's `kl_control` is unknown.
        """
        s = self.setting
        if s.target_kl is None:
            return otherwise
        if s.kl_control not in _CONTROLS:
            raise ValueError(
                f"`kl_control` must be one of {', '.join(_CONTROLS)}. "
                f"Received: kl_control={s.kl_control!r}"
            )
        kind, rate_name = _CONTROLS[s.kl_control]
        rate = s.kl_control_rate
        if rate is None:
            rate = inspect.signature(kind).parameters[rate_name].default
        return kind(s.target_kl, **{rate_name: rate / self.rescaling})

    def annealing(self, final=1.0):
        """Returns the weight of the KL: the setting's schedule, ending at `final`.

        A linear ramp keeps its slope and ends sooner or later, as in Coupled-VAE's
        beta variants. With a `target_kl` it is a `Control`; see `kl_weight`.

        Raises:
            ValueError: If it is counted in epochs of unknown length.
        """
        if self.setting.target_kl is not None:
            return self.kl_weight(final)
        return self.schedule(final)

    def schedule(self, final=1.0, *, scale=1.0):
        """Returns the setting's annealing in steps, ending at `final`.

        The whole schedule is multiplied by `scale`, for a term that must keep its
        proportion to the KL.

        Raises:
            ValueError: If it is counted in epochs of unknown length.
        """
        schedule = self.setting.annealing.rescaled(self.steps_per_unit)
        if isinstance(schedule, Linear):
            slope = (1.0 - schedule.first) / schedule.length
            if final <= schedule.first or not slope:
                return Linear(1, first=final * scale, last=final * scale)
            length = (final - schedule.first) / slope
            ends = schedule.first * scale, final * scale
            return Linear(length, *ends, schedule.start)
        config = schedule.get_config()
        return type(schedule)(**{**config, "scale": config["scale"] * final * scale})

    def initializer(self):
        """Creates the setting's initializer of weights, `None` for PyTorch's."""
        return _uniform(self.setting.weight_range)

    def encoder(self, **options):
        """Creates the setting's encoder.

        Args:
            **options: Arguments of `RecurrentEncoder` in place of the setting's.

        Returns:
            A `RecurrentEncoder`.
        """
        s = self.setting
        arguments = {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": s.embedding_dim,
            "hidden_dim": s.encoder_dim,
            "cell": s.cell,
            "bidirectional": s.bidirectional,
            "use_cell": s.use_cell,
            "dropout": s.encoder_dropout,
            "add_bos": s.add_bos,
            "add_eos": s.add_eos,
            "initializer": self.initializer(),
            "embedding_initializer": _uniform(s.embedding_range),
        }
        return RecurrentEncoder(**{**arguments, **options})

    def decoder(self, kind=RecurrentDecoder, **options):
        """Creates a decoder of the setting's sizes and dropout rates.

        Args:
            kind: Class of the decoder, which gets those of the setting's values that
                it has arguments for. Defaults to `RecurrentDecoder`.
            **options: Arguments of that class in place of the setting's or beside them.

        Returns:
            A decoder of that class.
        """
        s = self.setting
        arguments = {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": s.embedding_dim,
            "hidden_dim": s.decoder_dim,
            "cell": s.cell,
            "conditioning": s.conditioning,
            "state_activation": s.state_activation,
            "input_dropout": s.input_dropout,
            "memory_dropout": s.memory_dropout,
            "output_dropout": s.output_dropout,
            "projection_dim": s.projection_dim,
            "initializer": self.initializer(),
            "embedding_initializer": _uniform(s.embedding_range),
        }
        return kind(**{**_accepted(kind, arguments), **options})

    def posterior(self, kind=Gaussian, **options):
        """Creates a posterior with the heads of the setting.

        Args:
            kind: Class of the posterior, which gets those of `latent_dim`,
                `batch_normalization` and `initializer` that it has arguments for.
                `VonMisesFisher` and `Implicit` cannot be batch normalised: a direction
                has no scale, and an implicit posterior no heads. They are built
                without in any setting. Defaults to `Gaussian`, a diagonal one.
            **options: Arguments of that class in place of the setting's or beside them.

        Returns:
            A `Latent` of that class.
        """
        arguments = {
            "latent_dim": self.setting.latent_dim,
            "batch_normalization": self.setting.batch_normalization,
            "initializer": self.initializer(),
        }
        return kind(**{**_accepted(kind, arguments), **options})

    @property
    def is_conditional(self):
        """Whether models are conditioned on something beside the sentence."""
        return self.context is not None or self.num_labels is not None

    def condition(self, encoder=None):
        """Creates the condition: encoders like the sentences' own, a label, or both.

        Args:
            encoder: `Encoder` of the sentences, which reads contexts too where the
                setting shares it; or `None` for another one.

        Returns:
            A `Condition`, or `None` where there is nothing to be conditioned on.
        """
        parts = []
        if self.context is not None and self.encoder_reads == "text":
            s = self.setting
            if encoder is None or not s.share_encoder:
                encoder = self.encoder()
            if self.context == "text":
                parts.append(ContextEncoder(encoder))
            else:
                width = s.context_dim or encoder.code_dim
                parts.append(TurnEncoder(encoder, width, dropout=s.context_dropout))
        if self.num_labels is not None:
            parts.append(LabelEncoder(self.num_labels, label_names=self.label_names))
        return JoinedConditions(parts) if len(parts) > 1 else next(iter(parts), None)

    def bridge(self):
        """Creates the setting's bridge, or that of a coupled model.

        A coupled model of a setting without a bridge gets two layers as wide as the
        embeddings, as the paper's 200 and 200, since `Coupling` matches what a bridge
        makes of the code. Its base has none: for a comparison of the two give both
        the same `bridge_dims`.

        Returns:
            A `Bridge`.
        """
        hidden_dims = self.setting.bridge_dims
        if self.coupling is not None and not hidden_dims:
            hidden_dims = (self.setting.embedding_dim, self.setting.embedding_dim)
        return Bridge(hidden_dims)

    def vae(
        self,
        objective,
        *,
        posterior=None,
        prior=None,
        encoder=None,
        bridge=None,
        decoder=None,
        context_to=None,
        loop=None,
        refiner=None,
        num_samples=1,
        monitor="val_loss",
    ):
        """Assembles and compiles a `VAE`.

        Parts that are left out are the setting's; they are created in the order
        encoder, posterior, decoder.

        Args:
            objective: List of `Term`s; `coupling` comes after them.
            posterior: `Latent`, or `None` for a diagonal Gaussian.
            prior: `Latent`, or `None` for a standard normal.
            encoder: `Encoder`, or `None` for the setting's.
            bridge: `Bridge`, or `None` for the setting's.
            decoder: `Decoder`, or `None` for the setting's.
            context_to: Tuple of str, what reads the condition, see `VAE`; or `None` for
                posterior, bridge and, where it may be learned, prior.
            loop: `TrainingLoop`, or `None` for one joint update a batch.
            refiner: `SVIRefiner`, or `None`.
            num_samples: Positive int, samples of the latent in training. Defaults to
                `1`.
            monitor: Str, the validation metric that the best model is chosen by, unless
                the model is coupled (importance-weighted `"val_nll"`, as Wu et al.
                2020) or its KL follows a target (`"val_nelbo"`, since the weights of
                epochs differ). Defaults to `"val_loss"`.

        Returns:
            A compiled `VAE`.

        Raises:
            ValueError: If parts do not fit together.
        """
        terms = list(objective)
        self._check_target(terms)
        if self.setting.target_kl is not None:
            monitor = "val_nelbo"
        if self.coupling is not None:
            monitor = "val_nll"
            # A term has weights of its own, and a builder makes many models.
            terms.append(Coupling.from_config(self.coupling.get_config()))
        encoder = encoder or self.encoder()
        posterior = posterior or self.posterior()
        decoder = decoder or self.decoder()
        is_trained = any(term.trains_prior for term in terms)
        is_fixed = any(term.pools_codes or term.needs_fixed_prior for term in terms)
        may_read = self.setting.learned_prior and is_trained and not is_fixed
        condition = self.condition(encoder)
        if context_to is None:
            reads_prior = condition is None or may_read
            context_to = ("posterior", *["prior"] * reads_prior, "bridge")
        model = VAE(
            encoder,
            posterior,
            decoder,
            prior=prior,
            bridge=bridge or self.bridge(),
            condition=condition,
            context_to=context_to,
            encoder_reads=self.encoder_reads,
            objective=terms,
            loop=loop,
            refiner=refiner,
            share_embedding=self.setting.share_embedding,
            tokenizer=self.tokenizer,
            num_samples=num_samples,
            monitor=monitor,
            seed=self.seed,
        )
        return self._compiled(model)

    def _check_target(self, terms):
        """Refuses a target of the divergence that no term would keep."""
        if self.setting.target_kl is None or any(t.is_controlled for t in terms):
            return
        raise ValueError(
            "`target_kl` needs a preset whose weight of the KL may follow it, such as "
            "`vae`. Leave it out, or choose another preset. Received: "
            f"target_kl={self.setting.target_kl}, terms={[t.name for t in terms]}"
        )

    def language_model(self):
        """Assembles and compiles a `LanguageModel`.

        Returns:
            A compiled `LanguageModel`.

        Raises:
            ValueError: If there is a `coupling`.
        """
        if self.coupling is not None:
            raise ValueError(
                "A language model has no latent, so no path through one can be coupled "
                "with it. Couple a preset that builds a `VAE`, or leave out `coupling`."
            )
        self._check_target([])
        condition = self.condition()
        if condition is None:
            # Nothing enters the decoder beside the words.
            decoder = self.decoder(conditioning=(), memory_dropout=0.0)
        else:
            decoder = self.decoder(conditioning=of_any_width(self.setting.conditioning))
        return self._compiled(
            LanguageModel(
                decoder,
                condition=condition,
                tokenizer=self.tokenizer,
                seed=self.seed,
            )
        )

    def _compiled(self, model):
        model.compile(self.optimizer(), jit_compile=self.jit_compile)
        return model

    def optimizer(self):
        """Creates the setting's optimizer with its decay and clipping.

        Raises:
            ValueError: If the setting's `optimizer` or `decay` is unknown, or its decay
                is counted in epochs of unknown length.
        """
        s = self.setting
        rate = s.learning_rate
        if s.decay == "step":
            start, every = (
                max(1, round(units * self.steps_per_unit))
                for units in (s.decay_start, s.decay_every)
            )
            rate = StepDecay(rate, start, every)
        elif s.decay == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, self.num_steps)
        elif s.decay not in ("none", "plateau"):
            raise ValueError(
                "`decay` must be 'none', 'step', 'cosine' or 'plateau'. "
                f"Received: decay={s.decay!r}"
            )
        clip = {"global_clipnorm": s.clip_norm, "clipvalue": s.clip_value}
        if s.optimizer == "adam":
            # PyTorch's epsilon; Keras has 1e-7.
            return Adam(rate, epsilon=1e-8, **clip)
        if s.optimizer == "sgd":
            return keras.optimizers.SGD(rate, **clip)
        raise ValueError(
            f"`optimizer` must be 'adam' or 'sgd'. Received: optimizer={s.optimizer!r}"
        )


def as_builder(setting, data=None):
    """Returns what every preset builds on.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text, or `None`; a `ModelBuilder` has its own.

    Returns:
        A `ModelBuilder`.

    Raises:
        ValueError: If data come with a `ModelBuilder`, or as in `ModelBuilder`.
    """
    if not isinstance(setting, ModelBuilder):
        return ModelBuilder(setting, data)
    if data is not None:
        raise ValueError(
            "A `ModelBuilder` has the data that it was made with. Pass `data` to it, "
            "not to the preset too."
        )
    return setting


def of_any_width(conditioning):
    """Leaves out the place of a word, whose width a code need not have."""
    return tuple(place for place in conditioning if place != "bos") or ("state",)


def _accepted(kind, arguments):
    """Returns those of some arguments that a class's constructor takes."""
    names = inspect.signature(kind.__init__).parameters
    return {name: value for name, value in arguments.items() if name in names}


def _uniform(half_width):
    if half_width is None:
        return None
    return keras.initializers.RandomUniform(-half_width, half_width)
