"""Word pieces by core TensorFlow operations, for servers that have no others."""

import tensorflow as tf

from tfvae.text.vocabulary import SPECIAL_TOKENS

# As the tokenizer of tensorflow-text has it: a longer word is unknown.
_MOST_BYTES = 100
_SUFFIX = "##"


class PieceReader:
    """Gives the ids that a `WordpieceTokenizer` gives, without tensorflow-text.

    All words of a batch are cut side by side: each round looks up one candidate piece
    of every word, from the longest that the vocabulary could hold to the shortest.

    Args:
        tokenizer: `WordpieceTokenizer` with a vocabulary.

    Attributes:
        table: The lookup table of the pieces, to be tracked by an export.
    """

    def __init__(self, tokenizer):
        words = tokenizer.vocabulary
        self.tokenizer = tokenizer
        self.longest = max(len(word.removeprefix(_SUFFIX)) for word in words)
        with tf.init_scope():
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    words, list(range(len(words))), tf.string, tf.int32
                ),
                default_value=-1,
            )

    def __call__(self, text):
        """Computes ids, string `[B]` to int32 `RaggedTensor` `[B, None]`."""
        split = self.tokenizer.split(text)
        words = split.flat_values
        pieces, is_known = self._cut(words)
        is_known &= tf.strings.length(words) <= _MOST_BYTES
        special = tf.constant(SPECIAL_TOKENS)
        is_known &= ~tf.reduce_any(words[:, None] == special, axis=1)
        unknown = tf.fill([tf.size(words), 1], self.tokenizer.unk_id)
        pieces = tf.where(is_known[:, None], pieces, -1)
        unknown = tf.where(is_known[:, None], -1, unknown)
        ids = tf.concat([unknown, pieces], axis=1)
        of_words = tf.ragged.boolean_mask(ids, ids >= 0)
        return split.with_flat_values(of_words).merge_dims(1, 2)

    def _cut(self, words):
        """Gives piece ids `[W, rounds]`, -1 for none, and whether all was found."""
        lengths = tf.strings.length(words, unit="UTF8_CHAR")
        lengths = tf.where(tf.strings.length(words) <= _MOST_BYTES, lengths, 0)

        def look_up(index, start, size, found):
            end_is_open = start < lengths
            candidate = tf.strings.substr(words, start, size, unit="UTF8_CHAR")
            marked = tf.where(start > 0, _SUFFIX, "") + candidate
            ids = tf.where(end_is_open & (size > 0), self.table.lookup(marked), -1)
            found = found.write(index, ids)
            start = tf.where(ids >= 0, start + size, start)
            longest = tf.minimum(self.longest, lengths - start)
            # A word whose shortest piece is unknown stays at size 0 and is done.
            size = tf.where(ids >= 0, longest, tf.maximum(size - 1, 0))
            return index + 1, start, size, found

        start = tf.zeros_like(lengths)
        found = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        index, start, _, found = tf.while_loop(
            lambda index, start, size, found: tf.reduce_any(size > 0),
            look_up,
            (0, start, tf.minimum(self.longest, lengths), found),
        )
        # Without a round there is nothing to stack.
        found = found.write(index, tf.fill([tf.size(words)], -1))
        return tf.transpose(found.stack()), start >= lengths
