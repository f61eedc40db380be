"""Texts of any bytes to batches of word ids, by core TensorFlow operations."""

import tensorflow as tf

from tfvae.serving.pieces import PieceReader
from tfvae.text import WordpieceTokenizer
from tfvae.text.vocabulary import PAD_ID


class Reader:
    """Tokenizes whatever a client may send.

    Bytes that are not UTF-8 become U+FFFD, so the word around them is unknown. A text
    without words is a row of padding. A longer text than allowed loses its end.

    Args:
        tokenizer: `Tokenizer` with a vocabulary.
        max_length: Positive int, ids kept of a text.
    """

    def __init__(self, tokenizer, max_length):
        self.tokenizer = tokenizer
        self.max_length = max_length
        self._tokenize = tokenizer.tokenize
        if isinstance(tokenizer, WordpieceTokenizer):
            self._tokenize = PieceReader(tokenizer)

    def __call__(self, text):
        """Reads texts.

        Args:
            text: String tensor `[B]`.

        Returns:
            Tuple of ids, int32 `[B, T]`, right-padded and at least one wide, and bool
            `[B]`, whether the end was cut off.
        """
        ids = self._tokenize(as_utf8(text))
        return padded(ids, self.max_length), ids.row_lengths() > self.max_length


def as_utf8(text):
    """Replaces what is not UTF-8, string `[B]` to string `[B]`."""
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")


def padded(ids, max_length):
    """Cuts and pads ragged ids to `[B, T]`, at least one wide."""
    ids = ids[:, :max_length].to_tensor(PAD_ID)
    missing = tf.maximum(1 - tf.shape(ids)[1], 0)
    return tf.pad(ids, [[0, 0], [0, missing]], constant_values=PAD_ID)
