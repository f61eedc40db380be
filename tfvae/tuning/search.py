"""Reading what to search from words, as the command line takes them."""

import ast
import dataclasses
import typing

from tfvae.presets import get_preset
from tfvae.presets.registry import unknown
from tfvae.training.recipe import setting_fields
from tfvae.tuning.space import Choices, Range, default_space, known_space


def parse_search(words, recipe):
    """Reads a search space.

    Each word is the name of an option of the preset or a field of the setting, alone
    for its declared range, or with values to choose from, `copula_weight=0,0.1,0.4`,
    or with a range, `copula_weight=0.0:0.8` or `learning_rate=1e-4:1e-2:log`.

    Args:
        words: List of str; empty or `None` for the preset's weights.
        recipe: `Recipe` of the trials.

    Returns:
        Dict from option name to `Range` or `Choices`.

    Raises:
        ValueError: If a name is unknown, occurs twice or is set by the recipe, or its
            values are refused.

    Example:
    >>> from tfvae.training import Recipe
    >>> recipe = Recipe("beta_vae", train="train.txt")
    >>> parse_search(["beta=0.1:1:log", "latent_dim=8,16"], recipe)
    {'beta': Range(low=0.1, high=1.0, log=True, grid=()),
     'latent_dim': Choices(values=(8, 16))}
    """
    preset = get_preset(recipe.preset)
    if not words:
        return default_space(preset, recipe.overrides)
    spaces = {}
    for word in words:
        name, equals, text = word.partition("=")
        options = {**preset.options, **setting_fields()}
        if name not in options:
            raise ValueError(unknown("key to search", name, options))
        if name in spaces or name in recipe.overrides:
            where = "given twice" if name in spaces else "fixed by --set as well"
            raise ValueError(f"`{name}` is to be searched, but is {where}.")
        known = known_space(name) if not equals else None
        spaces[name] = known or _space(name, text, _wants_float(options[name]))
        for value in spaces[name].examples():
            dataclasses.replace(recipe, overrides={**recipe.overrides, name: value})
    return spaces


def _wants_float(option):
    """Tells by a preset's default or a setting's type whether ints become floats."""
    kind = option if isinstance(option, type) or typing.get_args(option) else None
    allowed = typing.get_args(kind) or (kind or type(option),)
    return float in allowed and int not in allowed


def _space(name, text, wants_float):
    """Reads values or a range."""
    low, *rest = text.split(":")
    ends = [_literal(each) for each in (low, *rest[:1])] if rest else text.split(",")
    values = ends if rest else [_literal(each) for each in ends]
    if wants_float or float in map(type, values):
        values = [float(v) if type(v) is int else v for v in values]
    if not rest:
        return Choices(tuple(values))
    right = all(type(value) in (int, float) for value in values)
    if not right or rest[1:] not in ([], ["log"]):
        raise ValueError(
            f"A range is LOW:HIGH or LOW:HIGH:log. Received: {name}={text}"
        )
    return Range(*values, log=rest[1:] == ["log"])


def _literal(text):
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()
