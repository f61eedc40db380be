"""Beam search for the likeliest sentences."""

import typing

import tensorflow as tf

from tfvae.ops.sequences import EOS_ID, PAD_ID
from tfvae.samplers.sampler import (
    Sampler,
    any_rows,
    begin,
    check_max_length,
    take_rows,
)

# Of a beam that does not exist; finite, so that differences stay numbers.
_LOWEST = -1e30


class Beams(typing.NamedTuple):
    """The sentences that a search found for each row, the best first.

    Attributes:
        token_ids: Int32 `[N, W, max_length]`, padding after `</s>`.
        log_prob: Float32 `[N, W]`, the model's own log-probability of the words and,
            where a sentence has ended, `</s>`, in nats; -1e30 where there are fewer
            sentences than beams.
        score: Float32 `[N, W]`, by which beams are ranked.
    """

    token_ids: tf.Tensor
    log_prob: tf.Tensor
    score: tf.Tensor


class BeamSearch(Sampler):
    """Keeps the `num_beams` best beginnings of sentences at each step.

    Beginnings are ranked by `log_prob / length ** length_normalization`, where the
    length counts words and `</s>`. One that has ended stays as it is and competes with
    those that go on, so a sentence is lost only to better ones. One that is cut off at
    `max_length` counts like one that has ended.

    The search is deterministic and ignores seeds. A row's result does not depend on
    the other rows.

    Args:
        num_beams: Positive int `W`. With one beam the search is greedy. Defaults to
            `5`.
        length_normalization: Non-negative float. `0` ranks by probability, which
            favours short sentences, `1` by the mean over words. Defaults to `0.0`.
        allow_unknown: Whether `<unk>` may be written. Defaults to `True`.

    Raises:
        ValueError: If `num_beams` is not positive or `length_normalization` is
            negative.

    References:
        Graves 2012, Sequence Transduction with Recurrent Neural Networks, section 2.5;
        Wu et al. 2016, Google's Neural Machine Translation System, section 7, whose
        penalty `((5 + length) / 6) ** alpha` is a plain power here.
    """

    is_random = False

    def __init__(self, num_beams=5, length_normalization=0.0, allow_unknown=True):
        super().__init__(allow_unknown)
        if num_beams < 1:
            raise ValueError(
                "`num_beams` of a beam search must be at least 1. "
                f"Received: num_beams={num_beams}"
            )
        if not length_normalization >= 0:
            raise ValueError(
                "`length_normalization` must not be negative. Received: "
                f"length_normalization={length_normalization}"
            )
        self.num_beams = num_beams
        self.length_normalization = length_normalization

    def __call__(
        self, decoder, memory, max_length, seed=None, compact=True, prefix_ids=()
    ):
        """Writes the best sentence of each row; see `Sampler.__call__`."""
        beams = self._search(decoder, memory, max_length, True, prefix_ids)
        return beams.token_ids[:, 0]

    def search(self, decoder, memory, max_length):
        """Finds all beams of each row.

        Args:
            decoder: `Decoder`, built.
            memory: Float tensor `[N, U]`.
            max_length: Positive int, the most ids per row, `</s>` included.

        Returns:
            `Beams`, the best first.

        Raises:
            ValueError: If `max_length` is not positive.
        """
        return self._search(decoder, memory, max_length, best=False)

    def _search(self, decoder, memory, max_length, best, prefix_ids=()):
        """Searches until all beams have ended or, with `best`, the best is certain."""
        check_max_length(max_length)
        num_rows, num_beams = tf.shape(memory)[0], self.num_beams
        # Where words can only cost, a beam that has ended first cannot be overtaken.
        best_is_enough = best and self.length_normalization == 0

        def goes_on(t, last, state, beams, num_ids, ended):
            decided = ended[:, :1] if best_is_enough else ended
            return tf.logical_not(tf.reduce_all(decided))

        def step(t, last, state, beams, num_ids, ended):
            logits, state = decoder.next_logits(tf.reshape(last, [-1]), memory, state)
            values, words = self._continuations(logits, ended)
            log_prob = beams.log_prob[:, :, None] + values
            counts = num_ids + tf.cast(tf.logical_not(ended), tf.int32)
            norm = tf.cast(counts, tf.float32) ** self.length_normalization
            score = log_prob / norm[:, :, None]
            score, place = tf.math.top_k(tf.reshape(score, [num_rows, -1]), num_beams)
            parent = place // words.shape[-1]
            word = _take(tf.reshape(words, [num_rows, -1]), place)
            ended = _take(ended, parent) | tf.equal(word, EOS_ID)
            ids = _take(beams.token_ids, parent)
            ids = tf.where(tf.range(max_length) == t, word[:, :, None], ids)
            log_prob = _take(tf.reshape(log_prob, [num_rows, -1]), place)
            rows = tf.reshape(tf.range(num_rows)[:, None] * num_beams + parent, [-1])
            beams = Beams(ids, log_prob, score)
            return (
                t + 1,
                word,
                take_rows(state, rows),
                beams,
                _take(counts, parent),
                ended,
            )

        memory = tf.repeat(memory, num_beams, axis=0)
        shape = [num_rows, num_beams]
        # One beginning at first: the others would be its copies.
        log_prob = tf.where(tf.range(num_beams) > 0, _LOWEST, tf.zeros(shape))
        token_ids = tf.fill([*shape, max_length], PAD_ID)
        last, state = begin(decoder, memory, max_length, prefix_ids)
        start = (
            tf.constant(0),
            tf.reshape(last, shape),
            state,
            Beams(token_ids, log_prob, log_prob),
            tf.zeros(shape, tf.int32),
            tf.zeros(shape, tf.bool),
        )
        _, _, _, beams, _, _ = tf.while_loop(
            goes_on,
            step,
            start,
            shape_invariants=any_rows(start),
            maximum_iterations=max_length,
        )
        return beams

    def _continuations(self, logits, ended):
        """Returns the best next words of each beam.

        Args:
            logits: Float32 tensor `[N * W, V]`.
            ended: Bool tensor `[N, W]`.

        Returns:
            Tuple of log-probabilities, float32 `[N, W, C]`, and words, int32
            `[N, W, C]`; after the end a padding of probability 1 alone.
        """
        num_words = min(self.num_beams, logits.shape[-1])
        values, words = tf.math.top_k(self.possible(logits), num_words)
        values -= tf.reduce_logsumexp(logits, -1, keepdims=True)
        shape = [-1, self.num_beams, num_words]
        values, words = tf.reshape(values, shape), tf.reshape(words, shape)
        # Also of a word that is ruled out: its sentence must not be told from none.
        values = tf.where(values < -1e8, _LOWEST, values)
        ended = ended[:, :, None]
        stay = tf.where(tf.range(num_words) > 0, _LOWEST, 0.0)
        return tf.where(ended, stay, values), tf.where(ended, PAD_ID, words)


def _take(values, places):
    return tf.gather(values, places, batch_dims=1)
