"""From a setting to the parts of a model."""

import dataclasses

import keras

from tfvae.decoders import Bridge, RecurrentDecoder
from tfvae.encoders import RecurrentEncoder
from tfvae.latents import Gaussian
from tfvae.models import VAE, LanguageModel
from tfvae.objectives import Coupling, Linear
from tfvae.presets.learning_rate import Halving
from tfvae.presets.settings import SETTINGS, Setting


def _uniform(half_width):
    if half_width is None:
        return None
    return keras.initializers.RandomUniform(-half_width, half_width)


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """A setting for a given vocabulary and length of training; presets build on it.

    Attributes:
        setting: `Setting` or the name of one.
        vocabulary_size: Int `V`; not needed with a tokenizer.
        tokenizer: Tokenizer to save with the model, or `None`.
        steps_per_epoch: Number of steps, for schedules in epochs.
        total_steps: Number of steps of training; `None` for the setting's budget.
        scale_schedules: Whether annealing and decay shrink or stretch with
            `total_steps` relative to the setting's budget.
        seed: Int, of noise in training.
        coupling: `Coupling`, a copy of which ends the objective of every `VAE`; or
            `None`.
    """

    setting: Setting | str
    vocabulary_size: int | None = None
    tokenizer: keras.layers.Layer | None = None
    steps_per_epoch: int = 1000
    total_steps: int | None = None
    scale_schedules: bool = False
    seed: int = 0
    coupling: Coupling | None = None

    def __post_init__(self):
        """Looks up the setting and the vocabulary's size."""
        if isinstance(self.setting, str):
            if self.setting not in SETTINGS:
                raise ValueError(
                    f"`setting` must be one of {sorted(SETTINGS)}. "
                    f"Received: setting={self.setting!r}"
                )
            object.__setattr__(self, "setting", SETTINGS[self.setting])
        if self.vocabulary_size is None:
            if self.tokenizer is None:
                raise ValueError(
                    "`Blueprint` needs a `tokenizer` or a `vocabulary_size`. "
                    "Received: neither"
                )
            size = self.tokenizer.vocabulary_size
            object.__setattr__(self, "vocabulary_size", size)

    @property
    def steps_per_unit(self):
        """Steps for one unit of the setting's annealing and decay."""
        unit = self.steps_per_epoch if self.setting.unit == "epochs" else 1
        if self.scale_schedules and self.total_steps is not None:
            unit *= self.total_steps / (self.setting.budget * unit)
        return unit

    def annealing(self, last=1.0, share=1.0):
        """Gives the setting's schedule of the KL weight, in steps, ending at `last`.

        A linear ramp keeps its slope and ends sooner or later, as in Coupled-VAE's
        beta variants. All of it is multiplied by `share`, for a term that must keep
        its proportion to the KL.
        """
        schedule = self.setting.annealing.stretched(self.steps_per_unit)
        if isinstance(schedule, Linear):
            slope = (1.0 - schedule.first) / schedule.length
            if last <= schedule.first:
                return Linear(1, first=last * share, last=last * share)
            length = (last - schedule.first) / slope
            ends = schedule.first * share, last * share
            return Linear(length, *ends, schedule.start)
        config = schedule.get_config()
        return type(schedule)(**{**config, "scale": config["scale"] * last * share})

    def encoder(self):
        """Makes the encoder."""
        s = self.setting
        return RecurrentEncoder(
            self.vocabulary_size,
            s.embedding_dim,
            s.encoder_dim,
            cell=s.cell,
            bidirectional=s.bidirectional,
            use_cell=s.use_cell,
            dropout=s.encoder_dropout,
            marks=s.marks,
            initializer=_uniform(s.weight_range),
            embedding_initializer=_uniform(s.embedding_range),
        )

    def decoder(self, *, word_dropout=0.0, latent=True):
        """Makes the decoder; without a latent nothing is injected."""
        s = self.setting
        return RecurrentDecoder(
            self.vocabulary_size,
            s.embedding_dim,
            s.decoder_dim,
            cell=s.cell,
            inject=s.inject if latent else (),
            state_activation=s.state_activation,
            input_dropout=s.input_dropout,
            memory_dropout=s.memory_dropout if latent else 0.0,
            output_dropout=s.output_dropout,
            word_dropout=word_dropout,
            projection_dim=s.projection_dim,
            initializer=_uniform(s.weight_range),
            embedding_initializer=_uniform(s.embedding_range),
        )

    def gaussian(self):
        """Makes the diagonal Gaussian posterior."""
        s = self.setting
        return Gaussian(
            s.latent_dim,
            batch_normalization=s.batch_normalization,
            initializer=_uniform(s.weight_range),
        )

    def vae(
        self,
        objective,
        *,
        posterior=None,
        prior=None,
        decoder=None,
        word_dropout=0.0,
        pattern=None,
        refiner=None,
    ):
        """Assembles a `VAE`.

        Args:
            objective: List of `Term`s; `coupling` comes after them.
            posterior: `Latent`, or `None` for a diagonal Gaussian.
            prior: `Latent`, or `None` for a standard normal.
            decoder: `Decoder`, or `None` for the setting's.
            word_dropout: Float in `[0, 1]`, of the setting's decoder.
            pattern: What `VAE` takes under this name, or `None` for its default.
            refiner: The same.

        Returns:
            A `VAE`.

        Raises:
            ValueError: If both a `decoder` and a `word_dropout` are given.
        """
        if decoder is not None and word_dropout:
            raise ValueError(
                "`word_dropout` is for the setting's decoder. Make `decoder` with it "
                f"instead. Received: word_dropout={word_dropout} and a decoder"
            )
        options = {"pattern": pattern, "refiner": refiner}
        terms = list(objective)
        if self.coupling is not None:
            # A term has weights of its own, and a blueprint makes many models.
            terms.append(Coupling.from_config(self.coupling.get_config()))
        return VAE(
            self.encoder(),
            posterior or self.gaussian(),
            decoder or self.decoder(word_dropout=word_dropout),
            prior=prior,
            bridge=Bridge(self.setting.bridge_dims),
            objective=terms,
            share_embedding=self.setting.share_embedding,
            tokenizer=self.tokenizer,
            seed=self.seed,
            **{name: value for name, value in options.items() if value is not None},
        )

    def language_model(self):
        """Assembles a `LanguageModel`."""
        decoder = self.decoder(latent=False)
        return LanguageModel(decoder, tokenizer=self.tokenizer, seed=self.seed)

    def optimizer(self):
        """Makes the setting's optimizer with its decay and clipping."""
        s = self.setting
        rate = s.learning_rate
        if s.decay == "halving":
            start, every = (
                max(1, round(units * self.steps_per_unit))
                for units in (s.decay_start, s.decay_every)
            )
            rate = Halving(rate, start, every)
        elif s.decay == "cosine":
            steps = self.total_steps or round(s.budget * self.steps_per_unit)
            rate = keras.optimizers.schedules.CosineDecay(rate, steps)
        elif s.decay not in ("none", "plateau"):
            raise ValueError(
                "`decay` must be 'none', 'halving', 'cosine' or 'plateau'. "
                f"Received: decay={s.decay!r}"
            )
        clip = {"global_clipnorm": s.clip_norm, "clipvalue": s.clip_value}
        if s.optimizer == "adam":
            # PyTorch's epsilon; Keras has 1e-7.
            return keras.optimizers.Adam(rate, epsilon=1e-8, **clip)
        if s.optimizer == "sgd":
            return keras.optimizers.SGD(rate, **clip)
        raise ValueError(
            f"`optimizer` must be 'adam' or 'sgd'. Received: optimizer={s.optimizer!r}"
        )
