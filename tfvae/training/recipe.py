"""Everything needed to repeat a training run."""

import dataclasses
import json
import typing

from tfvae.presets import SETTINGS, Blueprint, Setting, get_preset
from tfvae.presets.registry import unknown
from tfvae.text import WordpieceTokenizer, WordTokenizer

_TOKENIZERS = {"word": WordTokenizer, "wordpiece": WordpieceTokenizer}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a run was asked to do.

    Attributes:
        preset: Str, name of the preset.
        train: Str, path of the training text.
        setting: Str, name of the setting. Defaults to `"ivae"`.
        valid: Str, path of the validation text, or `None`.
        overrides: Dict of preset options and setting fields to change.
        epochs: Int, or `None`.
        steps: Int, or `None`; at most one of the two, neither for the setting's
            budget.
        batch_size: Int, or `None` for the setting's.
        max_length: Int, or `None` for the setting's.
        too_long: What becomes of longer sentences, see `Batches`.
        column: Str, column of the text in `.tsv` and `.jsonl` files.
        tokenizer: `"word"` or `"wordpiece"`.
        patience: Int, epochs without a better validation figure before training
            stops, or `None` for no early stop.
        scale_schedules: Whether annealing and decay follow the given length of
            training rather than the setting's.
        xla: Whether XLA compiles the steps: each shape of batch takes a few seconds
            at first, and every step after that is faster.
        seed: Int, of initial weights, order, dropout and noise.

    Raises:
        ValueError: If the preset, the setting, an override or a value is refused.
    """

    preset: str
    train: str
    setting: str = "ivae"
    valid: str | None = None
    overrides: dict = dataclasses.field(default_factory=dict)
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    too_long: str = "error"
    column: str = "text"
    tokenizer: str = "word"
    patience: int | None = None
    scale_schedules: bool = False
    xla: bool = True
    seed: int = 0

    def __post_init__(self):
        """Checks the values that need no data."""
        preset = get_preset(self.preset)
        if self.setting not in SETTINGS:
            raise ValueError(unknown("setting", self.setting, SETTINGS))
        if self.tokenizer not in _TOKENIZERS:
            raise ValueError(unknown("tokenizer", self.tokenizer, _TOKENIZERS))
        known = {
            **{name: type(default) for name, default in preset.options.items()},
            **setting_fields(),
        }
        # JSON has no tuples.
        overrides = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.overrides.items()
        }
        object.__setattr__(self, "overrides", overrides)
        for name, value in overrides.items():
            if name not in known:
                raise ValueError(unknown("key to set", name, known))
            _check_type(name, value, known[name])
        if self.epochs is not None and self.steps is not None:
            raise ValueError("Give `epochs` or `steps`, not both.")
        for name in ("epochs", "steps", "batch_size", "max_length", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
        if self.patience is not None and self.valid is None:
            raise ValueError(
                "`patience` watches the validation text. Give `valid` too. "
                f"Received: patience={self.patience}, valid=None"
            )

    def resolved_setting(self):
        """Gives the setting with the overrides applied."""
        fields = {k: v for k, v in self.overrides.items() if k in setting_fields()}
        for name in ("batch_size", "max_length"):
            if getattr(self, name) is not None:
                fields[name] = getattr(self, name)
        return dataclasses.replace(SETTINGS[self.setting], **fields)

    def make_tokenizer(self):
        """Makes the tokenizer, its vocabulary still to be learned."""
        setting = self.resolved_setting()
        return _TOKENIZERS[self.tokenizer](
            max_tokens=setting.max_tokens,
            min_count=setting.min_count,
            lowercase=setting.lowercase,
        )

    def total_steps(self, steps_per_epoch):
        """Gives the number of training steps."""
        if self.steps is not None:
            return self.steps
        if self.epochs is not None:
            return self.epochs * steps_per_epoch
        setting = self.resolved_setting()
        unit = steps_per_epoch if setting.unit == "epochs" else 1
        return round(setting.budget * unit)

    def make_model(self, tokenizer, steps_per_epoch):
        """Assembles and compiles the model."""
        blueprint = Blueprint(
            self.resolved_setting(),
            tokenizer=tokenizer,
            steps_per_epoch=steps_per_epoch,
            total_steps=self.total_steps(steps_per_epoch),
            scale_schedules=self.scale_schedules,
            seed=self.seed,
        )
        preset = get_preset(self.preset)
        options = {k: v for k, v in self.overrides.items() if k in preset.options}
        model = preset(blueprint, **options)
        jit_compile = "auto" if self.xla else False
        model.compile(blueprint.optimizer(), jit_compile=jit_compile)
        return model

    def save(self, path):
        """Writes the recipe as JSON."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file, indent=2)
            file.write("\n")

    @classmethod
    def load(cls, path):
        """Reads a recipe written by `save`."""
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


def setting_fields():
    """Gives the fields of a setting that may be overridden, a dict to their types."""
    fixed = ("name", "source", "annealing", "inject")
    fields = dataclasses.fields(Setting)
    return {field.name: field.type for field in fields if field.name not in fixed}


def _check_type(name, value, wanted):
    allowed = typing.get_args(wanted) or (wanted,)
    # Where a float is wanted an int will do; True and False are no numbers here.
    numbers = (int,) if float in allowed and not isinstance(value, bool) else ()
    exact = not isinstance(value, bool) or bool in allowed
    if not (exact and isinstance(value, (*allowed, *numbers))):
        names = " or ".join(
            "None" if each is type(None) else each.__name__ for each in allowed
        )
        article = "an" if names[0] in "aeiou" else "a"
        raise ValueError(f"`{name}` must be {article} {names}. Received: {value!r}")
