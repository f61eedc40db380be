"""The presets by name."""

import dataclasses
import difflib
import inspect
import typing


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published model that a function assembles.

    Attributes:
        name: Str, the function's name.
        paper: Str, where the model is from.
        function: Callable from a `Blueprint` and options to a model.
        published: Dict from a data set to what papers report there, in words.
    """

    name: str
    paper: str
    function: typing.Callable
    published: dict

    @property
    def summary(self):
        """The first line of the function's docstring."""
        return inspect.getdoc(self.function).splitlines()[0]

    @property
    def options(self):
        """The function's options, a dict from name to default."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}

    def __call__(self, blueprint, **options):
        """Assembles the model.

        Args:
            blueprint: `Blueprint`.
            **options: Options of the preset.

        Returns:
            A model, not compiled; `blueprint.optimizer()` is its optimizer.

        Raises:
            ValueError: If an option is unknown.
        """
        for name in options:
            if name not in self.options:
                raise ValueError(unknown("option", name, self.options))
        return self.function(blueprint, **options)


PRESETS = {}


def preset(paper, published=None):
    """Registers a function as a preset under its own name.

    Args:
        paper: Str.
        published: Dict from a data set to published figures, in words.
    """

    def register(function):
        name = function.__name__
        PRESETS[name] = Preset(name, paper, function, published or {})
        return function

    return register


def get_preset(name):
    """Gives a preset by name.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name not in PRESETS:
        raise ValueError(unknown("preset", name, PRESETS))
    return PRESETS[name]


def unknown(what, name, known):
    """Words the refusal of a name, with the nearest right one."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {what} {name!r}.{hint} Known: {', '.join(sorted(known))}."
