import argparse

import pytest

from tfvae.cli.options import add_sampler, make_sampler
from tfvae.samplers import Ancestral, BeamSearch, Greedy, Nucleus, TopK


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
