"""Toys with a known optimum."""

import keras
import numpy as np

from tests.support import dataset, make_decoder, make_vae
from tfvae.objectives import KL, Linear, Reconstruction


def trained(tokens, steps, **parts):
    model = make_vae(**parts)
    model.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    rows = dataset(tokens).repeat(steps)
    model.fit(rows, verbose=0, shuffle=False)
    model.run_eagerly = True
    return model.evaluate(dataset(tokens), verbose=0, return_dict=True)


def test_kl_vanishes_where_the_latent_is_useless():
    # One sentence alone: there is nothing to say about it, and log p(x) is 0.
    tokens = np.tile([[4, 5, 6]], (16, 1)).astype("int32")
    logs = trained(tokens, 150)
    assert logs["kl"] < 0.02
    assert logs["reconstruction"] < 0.1


def test_latent_is_used_where_the_decoder_reads_no_words():
    # Four equally frequent sentences that differ at each of three words. Without the
    # latent and without words to read, the best is 3 log 4; telling the sentences
    # apart costs a rate of log 4, and no bound is below it.
    tokens = np.repeat([[4, 5, 6], [7, 8, 9], [10, 4, 8], [9, 6, 10]], 8, axis=0)
    decoder = make_decoder(hidden_dim=8, embedding_initializer="zeros")
    decoder.embedding.trainable = False
    logs = trained(
        tokens.astype("int32"),
        250,
        decoder=decoder,
        objective=[Reconstruction(), KL(Linear(100, first=0.1))],
    )
    assert logs["kl"] > np.log(2)
    assert logs["reconstruction"] < 0.5 * 3 * np.log(4)
    assert np.log(4) < logs["nelbo"] < 3 * np.log(4)
