"""What can be searched, and what a search minimises."""

import ast
import dataclasses
import re

import keras_tuner

from tfvae.checks import unknown
from tfvae.evaluation.evaluate import why_undefined
from tfvae.presets import get_preset
from tfvae.training.run_configuration import kinds_of, setting_fields


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two ends; ints if both ends are.

    Attributes:
        low: Int or float, the least value.
        high: Int or float, the greatest.
        log: Whether equal ratios are equally likely, rather than differences.
        grid: Tuple of the values of a grid search; empty for ten over the range.

    Raises:
        ValueError: If the ends are out of order, or not positive with `log`.
    """

    low: float
    high: float
    log: bool = False
    grid: tuple = ()

    def __post_init__(self):
        """Checks the ends."""
        received = f"Received: {self.low}:{self.high}{':log' if self.log else ''}"
        if not self.low < self.high:
            raise ValueError(f"A range needs its lower end first. {received}")
        if self.log and self.low <= 0:
            raise ValueError(f"A logarithmic range must be positive. {received}")

    def declare(self, hp, name, grid=False):
        """Declares the range, or its grid, to KerasTuner and returns the value.

        Args:
            hp: `keras_tuner.HyperParameters`.
            name: Str.
            grid: Whether for a grid search.
        """
        if grid and self.grid:
            return hp.Choice(name, list(self.grid))
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        number = hp.Int if whole else hp.Float
        sampling = "log" if self.log else "linear"
        return number(name, self.low, self.high, sampling=sampling)

    def exact(self, value):
        """Rounds a value to six significant digits, as a configuration keeps it."""
        return value if isinstance(value, int) else float(f"{value:.6g}")

    def examples(self):
        """Returns the values whose type is to be checked."""
        return (self.low, self.high, *self.grid)


@dataclasses.dataclass(frozen=True)
class Choices:
    """Some values of one type.

    Attributes:
        values: Tuple of numbers, of str or of bools.

    Raises:
        ValueError: If there is none, one occurs twice, or the types differ.
    """

    values: tuple

    def __post_init__(self):
        """Checks the types; ints among floats become floats."""
        kinds = {type(value) for value in self.values}
        if kinds == {int, float}:
            object.__setattr__(self, "values", tuple(map(float, self.values)))
            kinds = {float}
        if len(kinds) != 1 or not kinds <= {int, float, str, bool}:
            raise ValueError(
                "Values to choose from must be all numbers, all words or all True and "
                f"False. Received: {list(self.values)}"
            )
        if len(set(self.values)) < len(self.values):
            raise ValueError(
                "Values to choose from must differ from each other. "
                f"Received: {list(self.values)}"
            )

    def declare(self, hp, name, grid=False):
        """Declares the values to KerasTuner and returns the one of a trial."""
        return hp.Choice(name, list(self.values))

    def exact(self, value):
        """Returns a value as it was declared."""
        # From workers bools come back as ints.
        return next(each for each in self.values if each == value)

    def examples(self):
        """Returns the values whose type is to be checked."""
        return self.values


SPACES = {
    "copula_weight": Range(0.0, 0.8, grid=(0.0, 0.1, 0.2, 0.4, 0.6, 0.8)),
    "alpha": Range(0.0, 1.0, grid=(0.0, 0.25, 0.5, 0.75, 1.0)),
    "matching_weight": Range(0.01, 10.0, True, (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)),
    "reconstruction_weight": Range(0.1, 10.0, True, (0.1, 0.5, 1.0, 2.0)),
    "mmd_weight": Range(1.0, 300.0, True, (1.0, 10.0, 33.0, 110.0)),
    "kl_weight": Range(0.01, 1.0, True, (0.01, 0.11, 0.4, 0.8, 1.0)),
    "beta": Range(0.1, 1.5, grid=(0.4, 0.5, 0.8, 1.0, 1.2)),
    "free_bits": Range(1 / 32, 1.0, True, (2 / 32, 4 / 32, 6 / 32, 8 / 32, 16 / 32)),
    "word_dropout": Range(0.0, 0.75, grid=(0.0, 0.25, 0.5, 0.75)),
    "adversary_weight": Range(0.1, 30.0, True, (0.3, 1.0, 3.0, 10.0, 30.0)),
    "distance_weight": Range(0.1, 30.0, True, (0.3, 1.0, 3.0, 10.0)),
    "bow_weight": Range(0.1, 3.0, True, (0.1, 0.5, 1.0, 2.0)),
    "mean_scale": Range(0.2, 1.0, grid=(0.3, 0.4, 0.5, 0.6, 0.7)),
    "rate": Range(1.0, 20.0, True, (2.0, 5.0, 10.0)),
    "concentration": Range(10.0, 150.0, True, (10.0, 35.0, 80.0, 150.0)),
}
ON_REQUEST = {
    "copula_floor": Range(0.25, 2.0, True, (0.25, 0.5, 1.0, 2.0)),
    "min_concentration": Range(0.1, 10.0, True, (0.1, 1.0, 10.0)),
    "num_flows": Range(1, 10, grid=(1, 3, 5, 10)),
    "num_cycles": Range(1, 10, grid=(1, 2, 4, 8)),
    "ratio": Range(0.25, 1.0, grid=(0.25, 0.5, 0.75, 1.0)),
    "latent_dim": Range(8, 128, True, (8, 16, 32, 64, 128)),
    "encoder_dropout": Range(0.0, 0.6, grid=(0.0, 0.2, 0.5)),
    "input_dropout": Range(0.0, 0.6, grid=(0.0, 0.2, 0.5)),
    "output_dropout": Range(0.0, 0.6, grid=(0.0, 0.2, 0.5)),
}


def default_space(preset, overrides):
    """Returns the default search space of a preset, its weights.

    Args:
        preset: `tfvae.presets.Preset`.
        overrides: Dict of the options that are fixed.

    Returns:
        Dict from option name to `Range`.

    Raises:
        ValueError: If the preset has no weight of a known range, or all are fixed.
    """
    found = [name for name in preset.options if name in SPACES]
    if not found:
        raise ValueError(
            f"The preset {preset.name!r} has no weight of a known range. Say what to "
            "search, such as --search latent_dim or --search latent_dim=8,16,32."
        )
    left = {name: SPACES[name] for name in found if name not in overrides}
    if not left:
        raise ValueError(
            f"Every weight of {preset.name!r} is fixed by --set, so nothing is left to "
            "search. Leave one out, or name another with --search."
        )
    return left


def known_space(name):
    """Returns the declared range of an option.

    Raises:
        ValueError: If there is none; the message says how to give one.
    """
    both = {**SPACES, **ON_REQUEST}
    if name not in both:
        raise ValueError(
            f"{unknown('range for', name, both)} Or give values or a range, such as "
            f"{name}=1,2,4 or {name}=1:4."
        )
    return both[name]


def parse_search(words, configuration):
    """Reads what to search.

    Each word is the name of an option of the preset or a field of the setting, alone
    for its declared range, or with values to choose from, `copula_weight=0,0.1,0.4`,
    or with a range, `copula_weight=0.0:0.8` or `learning_rate=1e-4:1e-2:log`.

    Args:
        words: List of str; empty or `None` for the preset's weights.
        configuration: `RunConfiguration` of the trials.

    Returns:
        Dict from option name to `Range` or `Choices`.

    Raises:
        ValueError: If a name is unknown, occurs twice or is set by the configuration,
            or its values are refused.

    Example:
    >>> from tfvae.training import RunConfiguration
    >>> configuration = RunConfiguration("beta_vae", train="train.txt")
    >>> parse_search(["beta=0.1:1:log", "latent_dim=8,16"], configuration)
    {'beta': Range(low=0.1, high=1.0, log=True, grid=()),
     'latent_dim': Choices(values=(8, 16))}
    """
    preset = get_preset(configuration.preset)
    if not words:
        return default_space(preset, configuration.overrides)
    types = {**preset.option_types, **setting_fields()}
    spaces = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in types:
            raise ValueError(unknown("key to search", name, types))
        if name in spaces or name in configuration.overrides:
            where = "given twice" if name in spaces else "fixed by --set as well"
            raise ValueError(f"`{name}` is to be searched, but is {where}.")
        spaces[name] = _space(word, types[name]) if equals else known_space(name)
        for value in spaces[name].examples():
            dataclasses.replace(
                configuration, overrides={**configuration.overrides, name: value}
            )
    return spaces


def _space(word, kind):
    """Reads the values or the range of an option of a type."""
    text = word.partition("=")[2]
    is_range = ":" in text
    low, *rest = text.split(":") if is_range else text.split(",")
    ends, scale = (rest[:1], rest[1:]) if is_range else (rest, [])
    values = [_literal(each) for each in (low, *ends)]
    allowed = kinds_of(kind)
    wants_float = float in allowed and int not in allowed
    if wants_float or float in map(type, values):
        values = [float(v) if type(v) is int else v for v in values]
    if not is_range:
        return Choices(tuple(values))
    are_numbers = all(type(value) in (int, float) for value in values)
    if not are_numbers or scale not in ([], ["log"]):
        raise ValueError(f"A range is LOW:HIGH or LOW:HIGH:log. Received: {word}")
    return Range(*values, log=scale == ["log"])


def _literal(text):
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


_WORDS = re.compile(
    r"(?P<base>\w+)"
    r"(?:\s*-\s*(?P<weight>[0-9.eE+-]+)\s*\*?\s*(?P<mi>mi|mi_batch|mi_loo))?$"
)
_MEASURED = ("nll", "nelbo", "reconstruction", "kl")
# Of transfers of style; higher is better, so that what is missing to 1 counts.
_JOINT = "transfer_joint"


@dataclasses.dataclass(frozen=True)
class Objective:
    """A validation metric, less some mutual information; lower is better.

    Attributes:
        base: Str. A validation metric that `fit` logs, such as `"val_loss"` or
            `"val_nelbo"`, as it was in the best epoch by it; or a metric of
            `tfvae.evaluation.evaluate`: `"nll"`, `"nelbo"`, `"reconstruction"` or
            `"kl"`; or `"transfer_joint"`, of which what is missing to 1 counts.
        weight: Non-negative float, worth of a nat of mutual information in nats of
            `base`.
        information: Str, which estimate: `"mi"`, `"mi_batch"` or `"mi_loo"`. The first
            two cannot exceed the log of their number of sentences.
    """

    base: str
    weight: float = 0.0
    information: str = "mi"

    @classmethod
    def parse(cls, text):
        """Reads an objective such as `"val_nelbo"` or `"nll - 0.5 * mi"`.

        `"val_nll"` is `"nll"`: exact for a language model, else importance weighted
        with a few samples. `"1 - transfer_joint"` is for transfers of style.

        Raises:
            ValueError: If the text is none.

        Example:
        >>> Objective.parse("nll - 0.5 * mi")
        Objective(base='nll', weight=0.5, information='mi')
        """
        if "".join(text.split()) == f"1-{_JOINT}":
            return cls(_JOINT)
        match = _WORDS.match(text.strip())
        if match:
            base = "nll" if match["base"] == "val_nll" else match["base"]
            weight = _number(match["weight"] or "0")
            is_known = base in _MEASURED or base.startswith("val_")
            if is_known and weight is not None:
                return cls(base, weight, match["mi"] or cls.information)
        raise ValueError(
            "`objective` must be 'val_loss', 'val_nll', a trade such as 'nll - "
            f"0.5 * mi', or '1 - {_JOINT}'. Received: {text!r}"
        )

    @property
    def name(self):
        """The objective as text that `parse` reads."""
        if self.base == _JOINT:
            return f"1 - {_JOINT}"
        if not self.weight:
            return self.base
        return f"{self.base} - {self.weight:g} * {self.information}"

    @property
    def is_measured(self):
        """Whether the trained model must be evaluated for it."""
        return bool(self.weight) or self.base in (*_MEASURED, _JOINT)

    def for_tuner(self):
        """Returns KerasTuner's objective of the same name."""
        return keras_tuner.Objective(self.name, "min")

    def check(self, model):
        """Checks that the objective is defined for a model.

        Raises:
            ValueError: If training does not log it, or it is not defined.
        """
        kind = type(model).__name__
        if self.base == _JOINT:
            reason = why_undefined(model, "transfer", (), ())
            if reason:
                raise ValueError(
                    f"The objective {self.name!r} is not defined: {reason}"
                )
            return
        dense = model.posterior is None or model.has_density
        if self.base.startswith("val_"):
            known = model.validation_metrics
            if self.base not in known:
                raise ValueError(
                    f"The objective {self.name!r} is not logged by this {kind}: use "
                    f"one of {', '.join(known)}."
                )
        if self.base in ("nll", "nelbo", "kl") and not dense:
            raise ValueError(
                f"The objective {self.name!r} is not defined for this {kind}, whose "
                f"latent has no density: use {model.monitor!r}."
            )
        if model.posterior is None and (self.weight or self.base != "nll"):
            raise ValueError(
                f"The objective {self.name!r} needs a latent, and this {kind} has "
                "none: use 'val_nll'."
            )
        if self.weight and model.requires:
            raise ValueError(
                f"The objective {self.name!r} would reward codes that repeat the "
                f"{model.requires[0]} that this {kind} reads: use {self.base!r}."
            )
        if self.weight and not model.posterior.has_density:
            raise ValueError(
                f"The objective {self.name!r} needs a posterior with a density. "
                f"Received: {type(model.posterior).__name__}"
            )

    def value(self, metrics):
        """Computes the objective.

        Args:
            metrics: Dict with `base` and `information` among its keys.

        Returns:
            Float, in nats per sentence but for `"transfer_joint"`.

        Example:
        >>> Objective("nll", 0.5).value({"nll": 30.0, "mi": 4.0})
        28.0
        """
        value = metrics[self.base]
        if self.base == _JOINT:
            return 1.0 - value
        return value - self.weight * metrics[self.information] if self.weight else value


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 else None
