"""Wordpieces as tokens, so that a new word is seldom unknown."""

import keras
import tensorflow as tf

from tfvae.text.tokenizer import Tokenizer
from tfvae.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_SUFFIX = "##"


@keras.saving.register_keras_serializable("tfvae")
class WordpieceTokenizer(Tokenizer):
    """Turns text into ids of wordpieces, and back.

    Each word between whitespace is cut from the left into the longest pieces that the
    vocabulary holds; a piece inside a word is marked by `##` in front. A word with a
    character that no piece holds becomes one `<unk>`, and so do the four special tokens
    where they are written out in a text. `detokenize` may join a word that itself
    starts with `##` to the word before it.

    It needs the package `tensorflow-text`. `tokenize` uses an op of that package, so a
    server of an export needs it too; `detokenize` uses core TensorFlow ops only.

    Args:
        max_tokens: Int above 4, or `None`. Largest vocabulary size, the four special
            tokens included. Defaults to `8000`.
        min_count: Positive int. `adapt` leaves out words, and pieces of more than one
            character, counted less often. Defaults to `1`.
        lowercase: Bool. Whether text is lowercased first. Defaults to `False`.
        vocabulary: List of str, or `None`: the wordpieces, in place of `adapt`.
            Defaults to `None`.
        name: Name of the layer. Defaults to `None`.
        dtype: Dtype policy of the layer; ids are int32 whatever it is. Defaults to
            `None`.

    Raises:
        ValueError: If an argument is outside the values named above.

    Example:
    >>> tokenizer = WordpieceTokenizer(vocabulary=["walk", "##ed", "##ing", "we"])
    >>> tokenizer.encode("we walked walking")
    [7, 4, 5, 4, 6]
    >>> tokenizer.detokenize([[7, 4, 5, 4, 6]]).numpy().tolist()
    [b'we walked walking']
    """

    def __init__(
        self,
        max_tokens=8000,
        min_count=1,
        lowercase=False,
        vocabulary=None,
        name=None,
        dtype=None,
    ):
        super().__init__(max_tokens, min_count, lowercase, vocabulary, name, dtype)

    def tokenize(self, text):
        """Computes the wordpiece ids of each text, without `<s>` and `</s>`.

        Args:
            text: String tensor `[B]`, UTF-8.

        Returns:
            Int32 `RaggedTensor` `[B, None]`.

        Raises:
            ValueError: If `text` is not of rank 1, or before a vocabulary is known.
        """
        self._known_vocabulary()
        words = self.split(text)
        special = tf.reduce_any(
            words.flat_values[:, None] == tf.constant(SPECIAL_TOKENS), axis=1
        )
        shown = tf.where(special, SPECIAL_TOKENS[self.unk_id], words.flat_values)
        pieces = words.with_flat_values(shown)
        return self._pieces.tokenize(pieces).merge_dims(1, 2)

    def detokenize(self, token_ids):
        """Computes the text of token ids, up to the first `</s>`.

        `<pad>` and `<s>` are skipped; ids outside the vocabulary become `<unk>`.

        Args:
            token_ids: Int tensor or `RaggedTensor` `[..., L]`.

        Returns:
            String tensor `[...]`, the words joined by single spaces.
        """
        text = super().detokenize(token_ids)
        return tf.strings.regex_replace(text, f" {_SUFFIX}", "")

    def _learn(self, counts):
        from tensorflow_text.tools.wordpiece_vocab import (
            wordpiece_tokenizer_learner_lib as learner,
        )

        frequent = {word: n for word, n in counts.items() if n >= self.min_count}
        if not frequent:
            return Vocabulary.from_counts(counts, self.max_tokens, self.min_count)
        pieces = learner.learn(
            sorted(frequent.items()),
            vocab_size=self.max_tokens or 2**31,
            reserved_tokens=list(SPECIAL_TOKENS),
            lower_thresh=self.min_count,
        )
        if self.max_tokens is not None and len(pieces) > self.max_tokens:
            raise ValueError(
                "`max_tokens` must leave room for every character of the texts, at the "
                "start of a word and inside one. "
                f"Received: max_tokens={self.max_tokens}; the smallest found has "
                f"{len(pieces)}."
            )
        return Vocabulary(pieces)

    def _set_vocabulary(self, vocabulary):
        import tensorflow_text

        super()._set_vocabulary(vocabulary)
        with tf.init_scope():
            self._pieces = tensorflow_text.FastWordpieceTokenizer(
                list(vocabulary.words),
                suffix_indicator=_SUFFIX,
                unknown_token=SPECIAL_TOKENS[self.unk_id],
                no_pretokenization=True,
                token_out_type=tf.int32,
            )
