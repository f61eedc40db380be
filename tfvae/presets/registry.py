"""The presets by name, and their coupled forms."""

import dataclasses
import difflib
import functools
import inspect
import typing

from tfvae.objectives import Coupling

_COUPLED_ARGS = """\
    coupled: Whether a deterministic path is coupled to the model, see `Coupling`.
        Defaults to `False`.
"""
_WEIGHT_ARGS = """\
    coupled_weight: Non-negative float, weight of that path's reconstruction.
        Defaults to `1.0`.
    matching_weight: Non-negative float, weight of the distance of the memories.
        Defaults to `{matching_weight}`.
    matching_distance: `"rational_quadratic"` or `"squared_euclidean"`. Defaults to
        `"rational_quadratic"`.
"""


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published model that a function assembles.

    Attributes:
        name: Str, the function's name.
        paper: Str, where the model is from.
        function: Callable from a `Blueprint` and options to a model.
        published: Dict from a data set to what papers report there, in words.
        coupled_form_of: Name of the preset that this one couples with a deterministic
            path, or `None`.
    """

    name: str
    paper: str
    function: typing.Callable
    published: dict
    coupled_form_of: str | None = None

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


def preset(paper, published=None, *, coupled=None, matching_weight=0.1):
    """Registers a function as a preset under its own name.

    With `coupled` the function also gets the options `coupled`, `coupled_weight`,
    `matching_weight` and `matching_distance`, which set `blueprint.coupling` before it
    runs, and its coupled form is registered as `coupled_<name>`.

    Args:
        paper: Str.
        published: Dict from a data set to published figures, in words.
        coupled: Dict of the figures of the coupled form, empty where there are none;
            `None` for a preset without a coupled form.
        matching_weight: Float, the default of that option.
    """

    def register(function):
        name = function.__name__
        if coupled is None:
            PRESETS[name] = Preset(name, paper, function, published or {})
            return function
        optional = _couplable(function, matching_weight)
        PRESETS[name] = Preset(name, paper, optional, published or {})
        form = _coupled_form(function, matching_weight)
        PRESETS[form.__name__] = Preset(
            form.__name__, f"Wu et al. 2020, on {paper}", form, coupled, name
        )
        return optional

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


def _couplable(function, matching_weight):
    """Gives the function with options that couple the model, off by default."""
    defaults = _weights(matching_weight)

    def assemble(blueprint, *, coupled=False, **options):
        weights = {k: options.pop(k) for k in defaults if k in options}
        if coupled:
            blueprint = _coupled_blueprint(blueprint, **{**defaults, **weights})
        elif any(value != defaults[name] for name, value in weights.items()):
            given = ", ".join(f"{name}={value!r}" for name, value in weights.items())
            raise ValueError(
                f"The options {', '.join(defaults)} act with `coupled=True` only. "
                f"Received: coupled=False, {given}"
            )
        return function(blueprint, **options)

    arguments = _COUPLED_ARGS + _WEIGHT_ARGS.format(matching_weight=matching_weight)
    return _described(assemble, function, {"coupled": False, **defaults}, arguments)


def _coupled_form(function, matching_weight):
    """Gives the function whose models are always coupled, named `coupled_...`."""
    defaults = _weights(matching_weight)

    def assemble(blueprint, **options):
        weights = {k: options.pop(k, default) for k, default in defaults.items()}
        return function(_coupled_blueprint(blueprint, **weights), **options)

    arguments = _WEIGHT_ARGS.format(matching_weight=matching_weight)
    form = _described(assemble, function, defaults, arguments)
    form.__name__ = f"coupled_{function.__name__}"
    form.__qualname__ = form.__name__
    summary = form.__doc__[:1].lower() + form.__doc__[1:]
    form.__doc__ = f"The coupled form of `{function.__name__}`: {summary}"
    return form


def _weights(matching_weight):
    return {
        "coupled_weight": 1.0,
        "matching_weight": matching_weight,
        "matching_distance": "rational_quadratic",
    }


def _coupled_blueprint(blueprint, coupled_weight, matching_weight, matching_distance):
    coupling = Coupling(coupled_weight, matching_weight, matching_distance)
    return dataclasses.replace(blueprint, coupling=coupling)


def _described(wrapper, function, options, arguments):
    """Gives a wrapper the signature and docstring of a function with more options."""
    functools.update_wrapper(wrapper, function)
    # What `inspect` would follow to a signature without the options.
    del wrapper.__wrapped__
    signature = inspect.signature(function)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in options.items()
    ]
    parameters = [*signature.parameters.values(), *more]
    wrapper.__signature__ = signature.replace(parameters=parameters)
    before, _, after = inspect.getdoc(function).partition("\nReturns:")
    wrapper.__doc__ = f"{before.rstrip()}\n{arguments}\nReturns:{after}"
    return wrapper
