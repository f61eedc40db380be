"""The figure that a search minimises."""

import dataclasses
import re

import keras_tuner

_WORDS = re.compile(
    r"(?P<base>\w+)(?:\s*-\s*(?P<weight>[0-9.eE+-]+)\s*\*?\s*(?P<mi>mi\w*))?$"
)
_MEASURED = ("nll", "nelbo", "reconstruction", "kl")
_INFORMATION = ("mi", "mi_batch", "mi_loo")


@dataclasses.dataclass(frozen=True)
class Objective:
    """A validation figure, less some mutual information; lower is better.

    Attributes:
        base: Str. `"val_nelbo"` or whatever the model's own `monitor` is, as it was in
            the best epoch; or a figure of `tfvae.evaluation.evaluate`: `"nll"`,
            `"nelbo"`, `"reconstruction"` or `"kl"`.
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
        with a few samples.

        Raises:
            ValueError: If the text is none.

        Example:
        >>> Objective.parse("nll - 0.5 * mi")
        Objective(base='nll', weight=0.5, information='mi')
        """
        match = _WORDS.match(text.strip())
        base = match and ("nll" if match["base"] == "val_nll" else match["base"])
        right = match and (base in _MEASURED or base.startswith("val_"))
        if right and match["mi"]:
            number = _number(match["weight"])
            if number is not None and match["mi"] in _INFORMATION:
                return cls(base, number, match["mi"])
        if not right or match["mi"]:
            raise ValueError(
                "`objective` must be 'val_nelbo', 'val_nll' or a trade such as "
                f"'nll - 0.5 * mi'. Received: {text!r}"
            )
        return cls(base)

    @property
    def name(self):
        """The objective in words, as `parse` reads them."""
        if not self.weight:
            return self.base
        return f"{self.base} - {self.weight:g} * {self.information}"

    @property
    def is_measured(self):
        """Whether the trained model must be evaluated for it."""
        return bool(self.weight) or self.base in _MEASURED

    def for_tuner(self):
        """Gives KerasTuner's objective of the same name."""
        return keras_tuner.Objective(self.name, "min")

    def check(self, model):
        """Refuses a model that does not have the figure.

        Raises:
            ValueError: If training does not log it, or it is not defined.
        """
        kind = type(model).__name__
        dense = model.posterior is None or model.has_density
        if self.base.startswith("val_") and self.base != model.monitor:
            raise ValueError(
                f"The objective {self.name!r} is not what this {kind} is watched by: "
                f"use {model.monitor!r}."
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
        if self.weight and not model.posterior.has_density:
            raise ValueError(
                f"The objective {self.name!r} needs a posterior with a density. "
                f"Received: {type(model.posterior).__name__}"
            )

    def value(self, figures):
        """Computes the objective.

        Args:
            figures: Dict with `base` and `information` among its keys.

        Returns:
            Float, in nats a sentence.

        Example:
        >>> Objective("nll", 0.5).value({"nll": 30.0, "mi": 4.0})
        28.0
        """
        value = figures[self.base]
        return value - self.weight * figures[self.information] if self.weight else value


def _number(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 else None
