import argparse

import pytest

from tfvae.cli.options import (
    add_configuration,
    add_sampler,
    make_configuration,
    make_sampler,
    parse_overrides,
)
from tfvae.samplers import Ancestral, BeamSearch, Greedy, Nucleus, TopK
from tfvae.training import RunConfiguration


def test_arguments_make_the_configuration():
    parser = argparse.ArgumentParser()
    add_configuration(parser)
    line = (
        "--setting coupled --set beta=0.5 latent_dim=4 --steps 9 --xla never --seed 2"
    )
    args = parser.parse_args(line.split())
    args.preset, args.train, args.valid = "beta_vae", "train.txt", None
    assert make_configuration(args) == RunConfiguration(
        "beta_vae",
        "train.txt",
        setting="coupled",
        overrides={"beta": 0.5, "latent_dim": 4},
        steps=9,
        xla="never",
        seed=2,
    )


def test_values_are_literals_or_words():
    pairs = ["a=0.5", "b=(1, 2)", "c=true", "d=none of it", "e=None"]
    expected = {"a": 0.5, "b": (1, 2), "c": True, "d": "none of it", "e": None}
    assert parse_overrides(pairs) == expected
    with pytest.raises(ValueError, match="KEY=VALUE.*'beta'"):
        parse_overrides(["beta"])


@pytest.mark.parametrize(
    ("more", "kind", "fields"),
    [
        ([], Ancestral, {"temperature": 1.0, "allow_unknown": True}),
        (["--greedy", "--no-unknown"], Greedy, {"allow_unknown": False}),
        (["--sampler", "greedy"], Greedy, {}),
        (["--temperature", "0.5"], Ancestral, {"temperature": 0.5}),
        (["--sampler", "top_k", "--temperature", "2"], TopK, {"temperature": 2.0}),
        (["--top-k", "3", "--no-unknown"], TopK, {"k": 3, "allow_unknown": False}),
        (["--top-p", "0.5"], Nucleus, {"p": 0.5}),
        (["--beams", "2"], BeamSearch, {"num_beams": 2, "length_normalization": 0.0}),
        (["--length-normalization", "1"], BeamSearch, {"length_normalization": 1.0}),
    ],
)
def test_options_make_samplers(more, kind, fields):
    parser = argparse.ArgumentParser()
    add_sampler(parser, "ancestral")
    sampler = make_sampler(parser.parse_args(more))
    assert type(sampler) is kind
    assert {name: getattr(sampler, name) for name in fields} == fields
