import numpy as np
import tensorflow as tf

from tests.support import EOS_ID, VOCABULARY_SIZE, log_softmax
from tfvae.decoders.scoring import sentence_log_probs
from tfvae.layers.dense import dense


def test_sums_the_words_and_the_end_of_each_sample(rng):
    tokens = np.array([[5, 7, 4], [9, 0, 0], [0, 0, 0]], "int32")
    hidden = rng.normal(size=(4, 2, 3, 6))
    layer = dense(VOCABULARY_SIZE, 6, name="output")
    kernel, bias = layer.get_weights()
    scores = log_softmax(hidden @ kernel + bias)
    targets = [[5, 7, 4, EOS_ID], [9, EOS_ID], [EOS_ID]]
    expected = [
        [
            sum(scores[place, sample, row, word] for place, word in enumerate(words))
            for row, words in enumerate(targets)
        ]
        for sample in range(2)
    ]
    rows = tf.constant(hidden.reshape(4, 6, 6), tf.float32)
    found = sentence_log_probs(rows, layer, tokens, 2)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    alone = sentence_log_probs(rows[:, 3:], layer, tokens, 1)
    np.testing.assert_allclose(alone, expected[1:], rtol=1e-5)
