"""What several tests share: tiny models, batches and reference computations."""

import contextlib
import functools
import importlib.util
import pathlib
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.decoders import RecurrentDecoder
from tfvae.encoders import RecurrentEncoder
from tfvae.latents import Gaussian
from tfvae.models import VAE, Forward
from tfvae.models.trainer import Trainer
from tfvae.objectives import CriticTerm

ROOT = pathlib.Path(__file__).parent.parent
VOCABULARY_SIZE = 11
LENGTHS = (5, 3, 1, 0, 4)
BOS_ID, EOS_ID, UNK_ID = 1, 2, 3


def load_script(name):
    """Imports a script of the project as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch(lengths=LENGTHS, seed=0):
    """Creates random words, right-padded, int32 `[B, T]`."""
    words = np.random.default_rng(seed).integers(
        4, VOCABULARY_SIZE, (len(lengths), max(lengths))
    )
    inside = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return np.where(inside, words, 0).astype("int32")


def dataset(tokens, batch_size=None):
    """Creates a dataset of input dicts."""
    rows = tf.data.Dataset.from_tensor_slices({"tokens": tokens})
    return rows.batch(batch_size or len(tokens))


def make_encoder(**overrides):
    """Creates a small encoder."""
    options = {"embedding_dim": 3, "hidden_dim": 4} | overrides
    return RecurrentEncoder(VOCABULARY_SIZE, **options)


def make_decoder(**overrides):
    """Creates a small decoder."""
    options = {"embedding_dim": 3, "hidden_dim": 4} | overrides
    return RecurrentDecoder(VOCABULARY_SIZE, **options)


def make_vae(**overrides):
    """Creates a small VAE; every part may be replaced."""
    parts = {
        "encoder": make_encoder(),
        "posterior": Gaussian(2),
        "decoder": make_decoder(),
    } | overrides
    return VAE(**parts)


def reseed(seed):
    """Decides the initial weights to come, as `keras.utils.set_random_seed` does.

    That one also makes TensorFlow forget every function it has prepared.
    """
    random.seed(seed)
    np.random.seed(seed)


@contextlib.contextmanager
def eager_steps():
    """Lets models that are compiled within run their steps op by op.

    For a few steps of a tiny model that takes a fraction of the time of making a graph.
    """
    compile_eagerly = functools.partialmethod(Trainer.compile, run_eagerly=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "compile", compile_eagerly)
        yield


def forward_record(**fields):
    """Creates a `Forward` of the given fields, the others `None`."""
    return Forward(**(dict.fromkeys(Forward._fields) | {"training": False} | fields))


def assert_same_weights(first, second):
    """Compares all weights bit for bit, in order."""
    assert len(first.weights) == len(second.weights) > 0
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


def log_softmax(logits):
    """Normalises logits by NumPy in float64."""
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def sigmoid(x):
    """Computes the logistic function by NumPy."""
    return 1.0 / (1.0 + np.exp(-x))


def lstm_step(x, state, cell, kernel):
    """Advances an LSTM by projected inputs, in plain NumPy."""
    i, f, g, o = np.split(x + state @ kernel, 4, axis=-1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def layer_norm_lstm_step(x, state, cell, kernel, scale, bias):
    """Advances an LSTM of normalised gates and cell, in plain NumPy."""

    def normed(values, part):
        deviation = np.sqrt(values.var(-1, keepdims=True) + 1e-6)
        centred = (values - values.mean(-1, keepdims=True)) / deviation
        return centred * np.split(scale, 5)[part] + np.split(bias, 5)[part]

    gates = np.split(x + state @ kernel, 4, axis=-1)
    i, f, g, o = (normed(values, part) for part, values in enumerate(gates))
    cell = normed(sigmoid(f) * cell + sigmoid(i) * np.tanh(g), 4)
    return sigmoid(o) * np.tanh(cell), cell


def gru_step(x, state, kernel, bias):
    """Advances a GRU by projected inputs, in plain NumPy."""
    z, r, n = np.split(x, 3, axis=-1)
    rz, rr, rn = np.split(state @ kernel + bias, 3, axis=-1)
    z, r = sigmoid(z + rz), sigmoid(r + rr)
    return (1.0 - z) * np.tanh(n + r * rn) + z * state


@keras.saving.register_keras_serializable("tfvae_tests")
class ToyCritic(CriticTerm):
    """A critic that learns a linear target of the code; its output is the cost."""

    def build(self, *, code_dim, **widths):
        """Creates an affine critic of the code."""
        self.critic = keras.layers.Dense(1, name="critic")
        self.critic.build((None, code_dim))
        super().build()

    def cost(self, forward):
        """Returns the critic's output, which carries gradients into both."""
        return self.critic(forward.code)[:, 0]

    def critic_cost(self, forward, index):
        """Returns the critic's squared distance from 3."""
        return tf.reduce_mean((self.critic(forward.code)[:, 0] - 3.0) ** 2)
