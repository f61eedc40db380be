import argparse

import pytest

from tfvae.cli.recipes import add_recipe, parse_overrides, recipe_of
from tfvae.training import Recipe


def test_arguments_make_the_recipe():
    parser = argparse.ArgumentParser()
    add_recipe(parser)
    line = "--setting coupled --set beta=0.5 latent_dim=4 --steps 9 --no-xla --seed 2"
    args = parser.parse_args(line.split())
    args.preset, args.train, args.valid = "beta_vae", "train.txt", None
    assert recipe_of(args) == Recipe(
        "beta_vae",
        "train.txt",
        setting="coupled",
        overrides={"beta": 0.5, "latent_dim": 4},
        steps=9,
        xla=False,
        seed=2,
    )


def test_values_are_literals_or_words():
    pairs = ["a=0.5", "b=(1, 2)", "c=true", "d=none of it", "e=None"]
    expected = {"a": 0.5, "b": (1, 2), "c": True, "d": "none of it", "e": None}
    assert parse_overrides(pairs) == expected
    with pytest.raises(ValueError, match="KEY=VALUE.*'beta'"):
        parse_overrides(["beta"])
