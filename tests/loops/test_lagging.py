"""What `Lagging` claims: it keeps information that joint updates lose."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import dataset
from tfvae.decoders import RecurrentDecoder
from tfvae.encoders import RecurrentEncoder
from tfvae.evaluation import mutual_information
from tfvae.latents import Gaussian
from tfvae.loops import Lagging
from tfvae.models import VAE

NUM_WORDS, NUM_CLASSES = 16, 4


def sentences(num, seed):
    """Draws sentences of eight words, three in five of them from a class's own four.

    What a sentence says of its class is spread over all its words: a decoder of eight
    units reads it from the words before only in part, and needs time to learn that.
    """
    rng = np.random.default_rng(seed)
    own = NUM_WORDS // NUM_CLASSES
    words = rng.integers(0, NUM_CLASSES, (num, 1)) * own
    words = words + rng.integers(0, own, (num, 8))
    any_word = rng.integers(0, NUM_WORDS, words.shape)
    return np.where(rng.random(words.shape) < 0.4, any_word, words).astype("int32") + 4


def information(loop, seed, epochs=5):
    """Trains, and measures the mutual information of new sentences and codes."""
    keras.utils.set_random_seed(seed)
    model = VAE(
        RecurrentEncoder(NUM_WORDS + 4, embedding_dim=8, hidden_dim=16),
        Gaussian(2),
        RecurrentDecoder(NUM_WORDS + 4, embedding_dim=8, hidden_dim=8),
        loop=loop,
    )
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=5.0)
    model.compile(optimizer, jit_compile=False)
    valid = sentences(256, 2)
    model.fit(
        dataset(sentences(512, 1), 32),
        validation_data=dataset(valid, 64),
        epochs=epochs,
        verbose=0,
    )
    assert int(model.step) == 16 * epochs
    params = model.posterior_params({"tokens": valid})
    z = model.posterior.sample(params, 4, tf.constant([0, 1]))[0]
    return mutual_information(model.posterior, params, z).value


@pytest.mark.slow
def test_keeps_information_that_joint_updates_lose():
    # As many updates of the decoder; the KL has its full weight from the start.
    plain = information(None, seed=1)
    assert plain < 0.12
    assert information(Lagging(check_every=5, max_sub_steps=30), seed=1) > 0.25
