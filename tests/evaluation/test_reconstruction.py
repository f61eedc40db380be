"""What reconstructions are worth, of a model whose faults are known."""

import types

import numpy as np
import pytest
import tensorflow as tf
from nltk.translate.bleu_score import corpus_bleu

from tests import support
from tfvae.evaluation.generation import reconstruction_quality
from tfvae.models import LanguageModel
from tfvae.ops.sequences import EOS_ID, UNK_ID

WIDTH = 6


class Parrot:
    """Encodes a sentence as its ids and decodes it with a fault.

    The posterior's mode is the sentence; each sample has one word more at its end,
    with a number that differs between samples. `<unk>` becomes 9 where it must not be
    written.
    """

    condition = None

    def __init__(self):
        self.posterior = types.SimpleNamespace(mode=self.mode, sample=self.sample)

    def posterior_params(self, inputs):
        tokens = tf.cast(inputs["tokens"], tf.float32)
        return {"loc": tf.pad(tokens, [[0, 0], [0, WIDTH - tf.shape(tokens)[1]]])}

    def mode(self, params):
        return tf.ensure_shape(params["loc"], [None, WIDTH])

    def sample(self, params, num_samples, seed):
        z = self.mode(params)
        ends = tf.one_hot(tf.math.count_nonzero(z, axis=1), WIDTH)
        number = tf.range(num_samples, dtype=tf.float32)[:, None, None]
        return z + ends * (20.0 + number), None

    def decode_ids(self, z, context, sampler, max_length):
        assert context is None
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


def test_of_the_mode():
    result = quality(num_samples=0)
    references = [[[i for i in row if i]] for row in ROWS]
    for n in (1, 2, 3, 4):
        expected = corpus_bleu(references, WRITTEN, weights=(1 / n,) * n)
        assert result[f"bleu_{n}"] == pytest.approx(expected)
    assert result["exact_match"] == 2 / 4
    assert result["token_error_rate"] == pytest.approx(4 / 12)
    assert (result["num_reconstructed"], result["num_words_reconstructed"]) == (4, 12)
    assert "bleu_coupled_1" not in result
    # The `<unk>` of the first sentence gets no credit.
    references[0][0][3] = -1
    for n in (1, 2, 3):
        expected = corpus_bleu(references, WRITTEN, weights=(1 / n,) * n)
        assert result[f"bleu_known_{n}"] == pytest.approx(expected)
        assert expected < result[f"bleu_{n}"]
    assert result["bleu_known_4"] == pytest.approx(0.0, abs=1e-30)
    assert result["reconstructed_cut_share"] == 0


def test_of_samples():
    result = quality(num_samples=3, seed=5)
    # Each sample adds a word, but after a 13 it is not seen; `<unk>` never matches,
    # and a sentence that ends at once has one word that does not match.
    matches, words = 3 + 2 + 2, 5 + 3 + 2 + 1
    brevity = np.exp(1 - 12 / words)
    assert result["bleu_coupled_1"] == pytest.approx(brevity * matches / words)
    matches, pairs = 2 + 1 + 1, 4 + 2 + 1
    assert result["bleu_coupled_2"] == pytest.approx(brevity * matches / pairs)
    assert result["num_samples_bleu_coupled"] == 3
    assert result["seed"] == 5


def test_reconstructions_that_are_cut():
    class Cutter(Parrot):
        def decode_ids(self, z, context, sampler, max_length):
            return super().decode_ids(z, context, sampler, max_length)[:, :max_length]

    batches = [{"tokens": np.array([[4, 5, 6], [4, 5, 0], [13, 4, 0]], "int32")}]
    # Parrot's rows end in `</s>` in column 7, or at a 13.
    for max_length, share in ((7, 0), (6, 2 / 3), (1, 2 / 3)):
        result = reconstruction_quality(
            Cutter(), batches, num_samples=0, max_length=max_length
        )
        assert result["reconstructed_cut_share"] == share


def test_samples_follow_the_seed():
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
    model = LanguageModel(support.make_decoder(conditioning=()))
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
