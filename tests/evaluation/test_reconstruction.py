import types

import numpy as np
import pytest
import tensorflow as tf
from nltk.translate.bleu_score import corpus_bleu

from tests import support
from tfvae.evaluation.reconstruction import reconstruction_quality
from tfvae.kernels.sequences import EOS_ID, UNK_ID
from tfvae.models import LanguageModel

WIDTH = 6


class Parrot:
    """Encodes a sentence as its ids and writes it again with a fault.

    The posterior's point is the sentence; each draw has one word more at its end,
    with a number that differs between draws. `<unk>` becomes 9 where it must not be
    written.
    """

    def __init__(self):
        self.posterior = types.SimpleNamespace(point=self.point, sample=self.sample)

    def encode(self, inputs):
        tokens = tf.cast(inputs["tokens"], tf.float32)
        return {"loc": tf.pad(tokens, [[0, 0], [0, WIDTH - tf.shape(tokens)[1]]])}

    def point(self, params):
        return tf.ensure_shape(params["loc"], [None, WIDTH])

    def sample(self, params, num_samples, seed):
        z = self.point(params)
        ends = tf.one_hot(tf.math.count_nonzero(z, axis=1), WIDTH)
        number = tf.range(num_samples, dtype=tf.float32)[:, None, None]
        return z + ends * (20.0 + number), None

    def decode(self, z, sampler, max_length):
        ids = tf.cast(z, tf.int32)
        if not sampler.allow_unknown:
            ids = tf.where(tf.equal(ids, UNK_ID), 9, ids)
        ids = tf.where(tf.equal(ids, 13), EOS_ID, ids)
        return tf.concat([ids, tf.fill([tf.shape(ids)[0], 1], EOS_ID)], axis=1)


ROWS = [[4, 5, 6, UNK_ID], [5, 6, 0, 0], [7, 8, 13, 4], [13, 7, 0, 0]]
# A 13 ends what is written: the third sentence lacks two words, the fourth both.
WRITTEN = [[4, 5, 6, UNK_ID], [5, 6], [7, 8], []]


def quality(**options):
    tokens = np.array(ROWS, "int32")
    batches = [{"tokens": tokens[:3]}, {"tokens": tokens[3:, :2]}]
    return reconstruction_quality(Parrot(), batches, **options)


def test_of_the_point():
    result = quality(num_samples=0)
    references = [[[i for i in row if i]] for row in ROWS]
    for n in (1, 2, 3, 4):
        expected = corpus_bleu(references, WRITTEN, weights=(1 / n,) * n)
        assert result[f"bleu_{n}"] == pytest.approx(expected)
    assert result["exact_match"] == 2 / 4
    assert result["token_error_rate"] == pytest.approx(4 / 12)
    assert (result["num_reconstructed"], result["num_words_reconstructed"]) == (4, 12)
    assert "bleu_coupled_1" not in result


def test_of_draws():
    result = quality(num_samples=3, seed=5)
    # Each draw adds a word, but after a 13 it is not seen; `<unk>` never matches,
    # and a sentence that ends at once has one word that does not match.
    matches, words = 3 + 2 + 2, 5 + 3 + 2 + 1
    brevity = np.exp(1 - 12 / words)
    assert result["bleu_coupled_1"] == pytest.approx(brevity * matches / words)
    matches, pairs = 2 + 1 + 1, 4 + 2 + 1
    assert result["bleu_coupled_2"] == pytest.approx(brevity * matches / pairs)
    assert result["num_samples_bleu_coupled"] == 3
    assert result["seed"] == 5


def test_draws_follow_the_seed():
    model = support.make_vae()
    model.posterior.heads["log_variance"].bias.assign([3.0, 3.0])
    batches = support.dataset(support.batch((4, 5, 3)), 2)
    first, other = (
        reconstruction_quality(model, batches, num_samples=2, max_length=7, seed=seed)
        for seed in (0, 1)
    )
    assert first["bleu_coupled_1"] != other["bleu_coupled_1"]
    assert first["bleu_1"] == other["bleu_1"]


def test_reports_progress():
    done = []
    quality(num_samples=0, progress=types.SimpleNamespace(update=done.append))
    assert done == [1, 2]


def test_refuses_a_model_without_a_latent():
    model = LanguageModel(support.make_decoder(inject=()))
    with pytest.raises(ValueError, match="LanguageModel has no latent"):
        reconstruction_quality(model, support.dataset(support.batch()))


@pytest.mark.parametrize(
    ("batches", "message"),
    [([], "at least one sentence"), ([{"tokens": [[0], [0]]}], "must hold a word")],
)
def test_refuses_nothing_to_compare(batches, message):
    batches = [{"tokens": np.array(b["tokens"], "int32")} for b in batches]
    with pytest.raises(ValueError, match=message):
        reconstruction_quality(Parrot(), batches, num_samples=0)


def test_refuses_a_negative_count():
    with pytest.raises(ValueError, match="num_samples=-1"):
        quality(num_samples=-1)
