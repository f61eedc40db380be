"""What may be searched: values of options, declared once for all presets.

`SPACES` holds a range for each option that the papers weigh, and the values of a grid:

- `copula_weight`: Wang and Wang 2019 have 0.4 on PTB, 0.5 on Yelp and Yahoo; from 1 on
  the objective has no bound.
- `alpha`: up to 1, where the objectives of `mine_vae` and `info_vae` are bounded. Qian
  and Cheung 2019 choose from 2, 2.5 to 5: `alpha=2,2.5,3,3.5,4,4.5,5`.
- `matching_weight` and `coupled_weight`: Wu et al. 2020 have 0.1 and 1; their released
  configurations, the conditional models and the study of dynamics go from 0.1 to 10.
- `mmd_weight`: 10 in Wu et al. 2020; 10 times 11 in Bahuleyan et al. 2019, whose code
  starts from 3 times 11, 11 being the tokens of a sentence there.
- `kl_weight`: 0.8 in Wu et al. 2020, 0.01 times 11 in Bahuleyan et al. 2019.
- `beta`: 0.8 and 1.2 in Wu et al. 2020, 0.4 and 0.5 in Fang et al. 2019.
- `free_bits`: 6/32 nats a dimension in Wu et al. 2020, 8/32 in Li et al. 2019.
- `word_dropout`: 0.5 in Qian and Cheung 2019.
- `bow_weight`: 1 in Zhao et al. 2017.
- `concentration`: 80 in Xu and Durrett 2018, whose learned one is kept in 10 to 150.
- `latent_dim`: 32, 64 or 100 in the settings.

Those of `ON_REQUEST` are searched only where they are named.
"""

import dataclasses

from tfvae.presets.registry import unknown


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
        """Declares the range, or its grid, to KerasTuner and gives the value.

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
        """Rounds a value to six significant digits, as recipes keep it."""
        return value if isinstance(value, int) else float(f"{value:.6g}")

    def examples(self):
        """Gives the values to check for their type."""
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
        """Declares the values to KerasTuner and gives the one of this trial."""
        return hp.Choice(name, list(self.values))

    def exact(self, value):
        """Gives the value as it was declared; bools come back from workers as ints."""
        return next(each for each in self.values if each == value)

    def examples(self):
        """Gives the values to check for their type."""
        return self.values


SPACES = {
    "copula_weight": Range(0.0, 0.8, grid=(0.0, 0.1, 0.2, 0.4, 0.6, 0.8)),
    "alpha": Range(0.0, 1.0, grid=(0.0, 0.25, 0.5, 0.75, 1.0)),
    "matching_weight": Range(0.01, 10.0, True, (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)),
    "coupled_weight": Range(0.1, 10.0, True, (0.1, 0.5, 1.0, 2.0)),
    "mmd_weight": Range(1.0, 300.0, True, (1.0, 10.0, 33.0, 110.0)),
    "kl_weight": Range(0.01, 1.0, True, (0.01, 0.11, 0.4, 0.8, 1.0)),
    "beta": Range(0.1, 1.5, grid=(0.4, 0.5, 0.8, 1.0, 1.2)),
    "free_bits": Range(1 / 32, 1.0, True, (2 / 32, 4 / 32, 6 / 32, 8 / 32, 16 / 32)),
    "word_dropout": Range(0.0, 0.75, grid=(0.0, 0.25, 0.5, 0.75)),
    "bow_weight": Range(0.1, 3.0, True, (0.1, 0.5, 1.0, 2.0)),
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
# Options that act only where another one, if there is one, is true.
_ACT_WITH = {"coupled_weight": "coupled", "matching_weight": "coupled"}


def default_space(preset, overrides):
    """Gives what is searched of a preset where nothing is named.

    Args:
        preset: `tfvae.presets.Preset`.
        overrides: Dict of the options that are fixed.

    Returns:
        Dict from option name to `Range`.

    Raises:
        ValueError: If the preset has no weight of a known range, or all are fixed.
    """
    options = {**preset.options, **overrides}
    found = [
        name
        for name in preset.options
        if name in SPACES and options.get(_ACT_WITH.get(name), True)
    ]
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
    """Gives the declared range of an option.

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
