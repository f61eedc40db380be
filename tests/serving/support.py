"""A tiny model to export, requests, and reference answers of one row at a time."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from tests.support import make_decoder, make_encoder, make_vae, reseed
from tfvae.encoders import (
    ContextEncoder,
    JoinedConditions,
    LabelEncoder,
    TurnEncoder,
)
from tfvae.latents import Gaussian
from tfvae.models import LanguageModel
from tfvae.presets import SETTINGS, ModelBuilder, arae
from tfvae.text import WordTokenizer

WORDS = ["a", "cat", "dog", "ran", "saw", "été", "the"]
NAMES = ["reconstruct", "encode", "decode", "generate", "interpolate", "score"]
NUM_SAMPLES = 4
MAX_LENGTH = 7
TEXTS = [
    "a cat ran",
    "the dog saw a cat",
    "",
    "été",
    "a unheard cat saw the dog ran a a",
]
SEEDS = np.array([[0, 1], [5, 5], [-3, 2], [0, 0], [7, 2**31 - 1]], np.int32)


def make_model(**overrides):
    """Creates a VAE over `WORDS` whose weights are spread out."""
    reseed(3)
    parts = {
        "encoder": make_encoder(),
        "posterior": Gaussian(2),
        "decoder": make_decoder(conditioning=("state", "inputs", "output")),
        "tokenizer": WordTokenizer(vocabulary=WORDS),
    } | overrides
    model = make_vae(**parts)
    spread(model)
    return model


def spread(model):
    """Scales weights up, so that words depend on codes and sentences end."""
    for weight in model.trainable_weights:
        weight.assign(weight * 3.0)


def request_of(signature, rows=slice(None)):
    """Returns the inputs of a request, a dict of arrays."""
    num = len(TEXTS)
    everything = {
        "text": np.array([text.encode() for text in TEXTS], object),
        "text_a": np.array([text.encode() for text in TEXTS], object),
        "text_b": np.array([text.encode() for text in TEXTS[::-1]], object),
        "seed": SEEDS,
        "temperature": np.array([0.0, 1.0, 0.5, 0.0, 2.0], np.float32),
        "fraction": np.linspace(0.0, 1.0, num).astype(np.float32),
        "z": np.linspace(-2.0, 2.0, 2 * num).reshape(num, 2).astype(np.float32),
    }
    inputs = {
        "reconstruct": ["text", "seed", "temperature"],
        "encode": ["text", "seed"],
        "decode": ["z", "seed", "temperature"],
        "generate": ["seed", "temperature"],
        "interpolate": ["text_a", "text_b", "fraction"],
        "score": ["text", "seed"],
    }
    return {name: everything[name][rows] for name in inputs[signature]}


def ids_of(text):
    """Looks the words of a text up by hand, int32 `[1, T]`, at most `MAX_LENGTH`."""
    ids = [WORDS.index(w) + 4 if w in WORDS else 3 for w in text.split()]
    return np.array([ids[:MAX_LENGTH] or [0]], np.int32)


def call(signatures, name, inputs):
    """Calls a signature of a loaded SavedModel, arrays to arrays."""
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in signatures[name](**tensors).items()}


def assert_same(got, wanted, rtol=1e-5, atol=1e-5):
    """Compares answers: texts and whole numbers exactly."""
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        other, value = np.asarray(got[name]), np.asarray(value)
        assert other.shape == value.shape, name
        if value.dtype.kind == "f":
            np.testing.assert_allclose(other, value, rtol, atol, err_msg=name)
        else:
            np.testing.assert_array_equal(other, value, err_msg=name)


NUM_TURNS = 3
# Turns that are missing may stand anywhere; the last context has none.
TURNS = [
    ["", "a cat", "the dog ran"],
    ["the dog", "été", "saw a cat"],
    ["a dog ran", "", ""],
    ["", "", ""],
    ["ran", " ", "the the cat dog saw a a a a"],
]
LABELS = np.array([0, 2, 1, 0, 2], np.int32)


def make_seq2seq():
    reseed(4)
    model = LanguageModel(
        make_decoder(conditioning=("state", "inputs")),
        condition=ContextEncoder(make_encoder()),
        tokenizer=WordTokenizer(vocabulary=WORDS),
    )
    spread(model)
    return model


LABEL_NAMES = ["bad", "fair", "good"]


def make_arae(**options):
    reseed(5)
    sizes = dict.fromkeys(("embedding_dim", "encoder_dim", "decoder_dim"), 4)
    builder = ModelBuilder(
        dataclasses.replace(SETTINGS["style"], latent_dim=2, **sizes),
        tokenizer=WordTokenizer(vocabulary=WORDS),
        total_steps=10,
        num_labels=3,
        label_names=LABEL_NAMES,
    )
    model = arae(builder, prior_noise_dim=2, prior_dims=(4,), **options)
    for weight in model.trainable_weights:
        weight.assign(weight * 20.0)
    return model


CONDITIONAL = {
    "turns": lambda: make_model(condition=TurnEncoder(make_encoder(), 5)),
    "text": lambda: make_model(condition=ContextEncoder(make_encoder())),
    "seq2seq": make_seq2seq,
    "label": lambda: make_model(condition=LabelEncoder(3, label_names=LABEL_NAMES)),
    "arae": make_arae,
    "arae_one_decoder": functools.partial(make_arae, decoder_per_label=False),
    "both": lambda: make_model(
        condition=JoinedConditions(
            [TurnEncoder(make_encoder(), 5), LabelEncoder(3, embedding_dim=2)]
        )
    ),
    "reader": lambda: make_model(encoder_reads="context"),
}


def request_for(signatures, name, rows=slice(None)):
    """Returns the inputs of a request, a dict of arrays."""
    specs = signatures[name].structured_input_signature[1]
    everything = {
        **request_of("reconstruct"),
        **request_of("interpolate"),
        **request_of("decode"),
        "label": LABELS,
    }
    if "context" in specs:
        num_turns = specs["context"].shape[1]
        turns = [[text.encode() for text in each[-num_turns:]] for each in TURNS]
        everything["context"] = np.array(turns, object)
    return {key: everything[key][rows] for key in specs}
