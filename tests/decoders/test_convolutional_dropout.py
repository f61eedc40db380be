"""What the convolutional decoder does in training only."""

import numpy as np
import pytest
import tensorflow as tf

from tests.decoders.reference import targets_of
from tests.decoders.reference_convolutional import reference_logits
from tests.support import UNK_ID, VOCABULARY_SIZE, log_softmax
from tfvae.decoders import ConvolutionalDecoder
from tfvae.seeds import as_seed

RATES = ("input_dropout", "memory_dropout", "output_dropout", "word_dropout")


def built(memory_dim=3, num_filters=4, **options):
    decoder = ConvolutionalDecoder(VOCABULARY_SIZE, 3, num_filters, (1, 2), **options)
    decoder.build(memory_dim)
    return decoder


@pytest.mark.parametrize("rate", RATES)
def test_acts_in_training_only_and_follows_the_seed(tokens, rng, rate):
    decoder, plain = built(**{rate: 0.5}), built()
    plain.set_weights(decoder.get_weights())
    memory = tf.constant(rng.normal(size=(1, 5, 3)).astype("float32"))
    expected = plain.log_prob(tokens, memory).numpy()
    assert (decoder.log_prob(tokens, memory).numpy() == expected).all()
    first, again, other = (
        decoder.log_prob(tokens, memory, seed=as_seed(seed), training=True).numpy()
        for seed in (1, 1, 2)
    )
    assert (first != expected).any()
    assert (first == again).all()
    assert (first != other).any()
    assert (plain.log_prob(tokens, memory, training=True).numpy() == expected).all()


# What enters the blocks: of each position, row and component.
@pytest.mark.parametrize(
    ("rate", "scale"), [("input_dropout", 3), ("memory_dropout", 2)]
)
def test_masks_are_fresh_at_each_step_and_keep_the_mean(rate, scale):
    decoder = built(memory_dim=2, num_filters=1, **{rate: 0.5})
    tokens = np.full((400, 4), 5, "int32")
    memory = tf.ones([1, 400, 2])
    found = decoder._project(tokens, memory, as_seed(1), True).numpy()[1:, :, 0]
    clean = decoder._project(tokens, memory, None, False).numpy()[1:, :, 0]
    noise = found - clean
    # Every subset of the components, at every step.
    for row in noise:
        assert len(np.unique(np.round(row, 4))) == 2**scale
    for one, two in zip(noise[:-1], noise[1:], strict=True):
        # Of independent masks, 4 standard errors of a correlation.
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / 20
    error = noise.std() / np.sqrt(noise.size)
    assert abs(noise.mean()) < 4 * error


def test_word_dropout_reads_unknown_words_but_scores_the_true_ones(tokens, rng):
    decoder = built(word_dropout=1.0)
    memory = rng.normal(size=(1, 5, 3)).astype("float32")
    found = decoder.log_prob(
        tokens, tf.constant(memory), seed=as_seed(1), training=True
    ).numpy()
    for row in range(5):
        words = [word for word in tokens[row].tolist() if word]
        unknown = [UNK_ID] * len(words)
        scores = log_softmax(reference_logits(decoder, unknown, memory[0, row]))
        expected = scores[np.arange(len(words) + 1), targets_of(words)].sum()
        np.testing.assert_allclose(found[0, row], expected, rtol=1e-4)
