"""Words separated by whitespace as tokens."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tfvae.text.base_tokenizer import Tokenizer
from tfvae.text.vocabulary import UNK_ID, Vocabulary


@keras.saving.register_keras_serializable("tfvae")
class WordTokenizer(Tokenizer):
    """Turns text into one id for each word between whitespace, and back.

    Ids 0 to 3 are `<pad>`, `<s>`, `</s>` and `<unk>`; the words follow by their count,
    descending, those of equal count alphabetically. Words that are not in the
    vocabulary give `<unk>`. So do the four special tokens where they are written out in
    a text: data that marks its rare words by `<unk>` keeps one id for them, and no text
    can put an end of sentence or padding into its own ids.

    `tokenize` and `detokenize` use core TensorFlow ops only. A word is what Python's
    `str.split` takes for one.

    Args:
        max_tokens: Int above 4, or `None`. Largest vocabulary size, the four special
            tokens included. Defaults to `None`, no limit.
        min_count: Positive int. `adapt` leaves out words counted less often. Defaults
            to `1`.
        lowercase: Bool. Whether text is lowercased first. Defaults to `False`.
        vocabulary: List of str, or `None`: the words, in place of `adapt`. Defaults to
            `None`.
        name: Name of the layer. Defaults to `None`.
        dtype: Dtype policy of the layer; ids are int32 whatever it is. Defaults to
            `None`.

    Raises:
        ValueError: If an argument is outside the values named above.

    Example:
    >>> tokenizer = WordTokenizer()
    >>> tokenizer.adapt(["a cat saw a dog", "a dog ran"])
    >>> tokenizer.vocabulary
    ['<pad>', '<s>', '</s>', '<unk>', 'a', 'dog', 'cat', 'ran', 'saw']
    >>> tokenizer.encode("a bird saw a cat")
    [4, 3, 8, 4, 6]
    >>> tokenizer.detokenize([[4, 6, 7, 2, 4], [4, 5, 0, 0, 0]]).numpy().tolist()
    [b'a cat ran', b'a dog']
    """

    def tokenize(self, text):
        """Computes the id of each word, without `<s>` and `</s>`.

        Args:
            text: String tensor `[B]`, UTF-8.

        Returns:
            Int32 `RaggedTensor` `[B, None]`.

        Raises:
            ValueError: If `text` is not of rank 1, or before a vocabulary is known.
        """
        self._known_vocabulary()
        words = self.split(text)
        ids = tf.cast(self._id_table.lookup(words.flat_values), tf.int32)
        return words.with_flat_values(ids)

    def encode_batch(self, texts):
        """Computes the ids of many texts, the same as `tokenize` gives, as arrays.

        Args:
            texts: List of `B` str.

        Returns:
            A pair: int32 array of all ids one text after the other, and int64 array
            `[B]` of the number of ids of each text.
        """
        ids = self._known_vocabulary().ids
        words = [text.split() for text in self._lowercased(texts)]
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        flat = np.fromiter(
            (ids.get(word, UNK_ID) for word in itertools.chain.from_iterable(words)),
            np.int32,
            lengths.sum(),
        )
        return flat, lengths

    def _learn(self, counts):
        return Vocabulary.from_counts(counts, self.max_tokens, self.min_count)

    def _set_vocabulary(self, vocabulary):
        super()._set_vocabulary(vocabulary)
        ids = vocabulary.ids
        with tf.init_scope():
            self._id_table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    list(ids), list(ids.values()), tf.string, tf.int64
                ),
                default_value=UNK_ID,
            )
