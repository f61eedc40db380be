"""Answers to contexts, as text."""

import pytest

from tests.support import make_encoder, make_vae
from tfvae.encoders import TurnEncoder
from tfvae.presets import ModelBuilder, dae, vae
from tfvae.text import Batches

TEXTS = [
    {"text": "a b c", "context": ["x y", "z"]},
    {"text": "b c", "context": ["y"]},
] * 4


def test_answers():
    data = Batches(TEXTS, batch_size=4, max_turns=2)
    model = make_vae(
        encoder=make_encoder(),
        condition=TurnEncoder(make_encoder(), 5),
    )
    with pytest.raises(ValueError, match="needs a tokenizer"):
        model.respond(["x"])
    builder = ModelBuilder("ivae", data, jit_compile=False)
    model = vae(builder)
    assert model.requires == ("context",)
    found = model.respond([["x y", "z"], ["y"]], num=3, max_length=4, seed=1)
    assert [len(each) for each in found] == [3, 3]
    assert found == model.respond([["x y", "z"], ["y"]], num=3, max_length=4, seed=1)
    assert model.respond("y", max_length=4) == model.respond(["y"], max_length=4)
    with pytest.raises(ValueError, match="does not read a label"):
        model.respond(["x"], labels=[0])
    with pytest.raises(ValueError, match="reads a context"):
        model.respond(None, labels=None)
    with pytest.raises(ValueError, match="reads no context"):
        vae(ModelBuilder("ivae", Batches(["a b"] * 4, batch_size=2))).respond(["a"])


def test_codes_that_no_term_brings_to_the_prior_do_not_answer():
    data = Batches(TEXTS, batch_size=4, max_turns=2)
    model = dae(ModelBuilder("ivae", data, jit_compile=False))
    with pytest.raises(ValueError, match="no term.*`KL` or `MMD`"):
        model.respond([["y"]])
