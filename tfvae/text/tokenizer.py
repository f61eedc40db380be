"""The base class of the tokenizers, and the tokenizers of words and of characters."""

import collections
import os

import keras
import numpy as np
import tensorflow as tf

from tfvae.checks import require
from tfvae.text.vocabulary import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    Vocabulary,
    chunks,
)

# The characters of `str.isspace`, which `str.split` splits on. `tf.strings.split` knows
# the ASCII ones only, so all of them are first replaced by a space.
_WHITESPACE = (
    r"[\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}"
    r"\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
)
_CHUNK = 4096
_FILE_NAME = "vocabulary.txt"


class Tokenizer(keras.layers.Layer):
    """Turns text into token ids and back; base class of the tokenizers.

    A token is a word between whitespace. A subclass changes that by two methods of
    core TensorFlow ops, so that an export reads and writes text: `_split`, from texts
    (string tensor `[B]`, already lowercased where that is set) to their tokens (string
    `RaggedTensor` `[B, None]`), and `_join`, from tokens (`RaggedTensor` `[B, None]`)
    to texts (string tensor `[B]`). One whose tokens are not all in the vocabulary as
    they stand also changes `tokenize`, and `_learn`, from the counts of what `_split`
    yields (`collections.Counter` of str) to a `Vocabulary`.

    The vocabulary is saved as an asset of the `.keras` file, not in the config.

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
    """

    pad_id = PAD_ID
    bos_id = BOS_ID
    eos_id = EOS_ID
    unk_id = UNK_ID

    def __init__(
        self,
        max_tokens=None,
        min_count=1,
        lowercase=False,
        vocabulary=None,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype, trainable=False)
        if max_tokens is not None and max_tokens <= len(SPECIAL_TOKENS):
            raise ValueError(
                f"`max_tokens` counts the {len(SPECIAL_TOKENS)} special tokens too and "
                f"must be above {len(SPECIAL_TOKENS)}, or None for no limit. "
                f"Received: max_tokens={max_tokens}"
            )
        require("min_count", min_count, min_count >= 1, "at least 1")
        self.max_tokens = max_tokens
        self.min_count = min_count
        self.lowercase = lowercase
        self._vocabulary = None
        self.built = True
        if vocabulary is not None:
            self._set_vocabulary(Vocabulary(vocabulary))

    @property
    def has_vocabulary(self):
        """Whether the vocabulary is known: adapted, given, or loaded from a file."""
        return self._vocabulary is not None

    @property
    def vocabulary(self):
        """The words in the order of their ids, a list of str."""
        return list(self._known_vocabulary().words)

    @property
    def vocabulary_size(self):
        """The number of words, the four special tokens included."""
        return len(self._known_vocabulary())

    def adapt(self, texts):
        """Learns the vocabulary, reading the texts once and keeping only their counts.

        Args:
            texts: Iterable of str, or a `tf.data.Dataset` of string tensors of any
                shape.

        Raises:
            ValueError: If `texts` is a single str, or holds no word to learn.
        """
        if isinstance(texts, str):
            raise ValueError(
                "`texts` must be an iterable of sentences, not one str. Put it into a "
                f"list. Received: {texts[:40]!r}"
            )
        if isinstance(texts, tf.data.Dataset):
            texts = _dataset_texts(texts)
        counts = collections.Counter()
        for chunk in chunks(texts, _CHUNK):
            words = self.split(tf.constant(chunk, tf.string))
            counts.update(words.flat_values.numpy().tolist())
        self.learn(counts)

    def learn(self, counts):
        """Learns the vocabulary from the counts of what `split` yields.

        Args:
            counts: Mapping from words, as UTF-8 bytes, to numbers of occurrences.

        Raises:
            ValueError: If it holds no word to learn.
        """
        counts = collections.Counter(
            {word.decode("utf-8"): count for word, count in counts.items()}
        )
        for token in SPECIAL_TOKENS:
            counts.pop(token, None)
        self._set_vocabulary(self._learn(counts))

    def split(self, text):
        """Splits text into tokens, after lowercasing where that is set.

        Args:
            text: String tensor `[B]`, UTF-8.

        Returns:
            String `RaggedTensor` `[B, None]`.

        Raises:
            ValueError: If `text` is not of rank 1.
        """
        text = tf.convert_to_tensor(text, tf.string)
        if text.shape.rank != 1:
            raise ValueError(
                "`text` must be a string tensor of shape [B]; put a single text into a "
                f"list. Received: shape={text.shape}"
            )
        if self.lowercase:
            # The op takes U+0000 for the end of the text.
            text = tf.strings.regex_replace(text, r"\x{0}", "\ufffd")
            text = tf.strings.lower(text, encoding="utf-8")
        return self._split(text)

    def tokenize(self, text):
        """Computes the id of each token, without `<s>` and `</s>`.

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

    def detokenize(self, token_ids):
        """Computes the text of token ids, up to the first `</s>`.

        `<pad>` and `<s>` are skipped; ids outside the vocabulary become `<unk>`.

        Args:
            token_ids: Int tensor or `RaggedTensor` `[..., L]`.

        Returns:
            String tensor `[...]`, the tokens joined: words by single spaces.
        """
        self._known_vocabulary()
        if isinstance(token_ids, tf.RaggedTensor):
            if token_ids.ragged_rank > 1:
                return token_ids.with_values(self.detokenize(token_ids.values))
            token_ids = token_ids.to_tensor(PAD_ID)
        token_ids = tf.cast(token_ids, tf.int64)
        shape = tf.shape(token_ids)
        rows = tf.reshape(token_ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
        ends = tf.cast(tf.equal(rows, EOS_ID), tf.int32)
        shown = (
            tf.equal(tf.cumsum(ends, axis=1), 0)
            & tf.not_equal(rows, PAD_ID)
            & tf.not_equal(rows, BOS_ID)
        )
        words = tf.ragged.boolean_mask(self._word_table.lookup(rows), shown)
        return tf.reshape(self._join(words), shape[:-1])

    def encode(self, text):
        """Computes the ids of one text, as `tokenize` does.

        Args:
            text: Str.

        Returns:
            List of int.
        """
        return self.encode_batch([text])[0].tolist()

    def encode_batch(self, texts):
        """Computes the ids of many texts, as `tokenize` does, but as NumPy arrays.

        Args:
            texts: List of `B` str.

        Returns:
            A pair: int32 array of all ids, one text after the other, and int64 array
            `[B]` of the number of ids of each text.
        """
        ids = self.tokenize(tf.constant(texts, tf.string, shape=[len(texts)]))
        return ids.flat_values.numpy(), ids.row_lengths().numpy()

    def save_assets(self, dir_path):
        """Writes the vocabulary into a folder of the `.keras` file.

        Args:
            dir_path: Path of an existing folder.
        """
        if self._vocabulary is not None:
            self._vocabulary.write(os.path.join(dir_path, _FILE_NAME))

    def load_assets(self, dir_path):
        """Reads the vocabulary that `save_assets` wrote, if it wrote one.

        Args:
            dir_path: Path of the folder.
        """
        path = os.path.join(dir_path, _FILE_NAME)
        if os.path.exists(path):
            self._set_vocabulary(Vocabulary.read(path))

    def get_config(self):
        """Returns the constructor's arguments except the vocabulary, which is an asset.

        Returns:
            Dict.
        """
        config = super().get_config()
        del config["trainable"]
        return config | {
            "max_tokens": self.max_tokens,
            "min_count": self.min_count,
            "lowercase": self.lowercase,
        }

    def _split(self, text):
        return tf.strings.split(plain_spaces(text))

    def _join(self, words):
        return tf.strings.reduce_join(words, axis=-1, separator=" ")

    def _learn(self, counts):
        return Vocabulary.from_counts(counts, self.max_tokens, self.min_count)

    def _known_vocabulary(self):
        if self._vocabulary is None:
            raise ValueError(
                f"`{type(self).__name__}` has no vocabulary yet. Call `adapt(texts)` "
                "first, or pass `vocabulary=[...]` to the constructor."
            )
        return self._vocabulary

    def _set_vocabulary(self, vocabulary):
        if self.max_tokens is not None and len(vocabulary) > self.max_tokens:
            raise ValueError(
                "`vocabulary` is larger than `max_tokens`, the special tokens included."
                f" Received: {len(vocabulary)} words, max_tokens={self.max_tokens}"
            )
        self._vocabulary = vocabulary
        with tf.init_scope():
            self._word_table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    np.arange(len(vocabulary)), list(vocabulary.words), tf.int64
                ),
                default_value=SPECIAL_TOKENS[UNK_ID],
            )
            self._make_id_table()

    def _make_id_table(self):
        ids = self._vocabulary.ids
        self._id_table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                list(ids), list(ids.values()), tf.string, tf.int64
            ),
            default_value=UNK_ID,
        )


@keras.saving.register_keras_serializable("tfvae")
class WordTokenizer(Tokenizer):
    """Turns text into one id for each word between whitespace, and back.

    Ids 0 to 3 are `<pad>`, `<s>`, `</s>` and `<unk>`; the words follow by their count,
    descending, those of equal count alphabetically. Words that are not in the
    vocabulary become `<unk>`. So do the four special tokens where they are written out
    in a text: data that marks its rare words by `<unk>` keeps one id for them, and no
    text can put an end of sentence or padding into its own ids.

    `tokenize` and `detokenize` use core TensorFlow ops only. Words are split as by
    Python's `str.split`.

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


@keras.saving.register_keras_serializable("tfvae")
class CharacterTokenizer(Tokenizer):
    """Turns text into one id for each character, and back.

    For text that is written without spaces, or has few words of its own: Chinese,
    molecules, names. A character is a Unicode code point. Whitespace at both ends of a
    text is removed; every other whitespace character is the token `" "`, so texts come
    back with the spaces that they had. The ids are ordered as those of `WordTokenizer`.
    Characters that are not in the vocabulary become `<unk>`; U+0000 counts as U+FFFD.
    `<unk>` in a text is five characters like any other.

    `tokenize` and `detokenize` use core TensorFlow ops only.

    Args:
        max_tokens: Int above 4, or `None`. Largest vocabulary size, the four special
            tokens included. Defaults to `None`, no limit.
        min_count: Positive int. `adapt` leaves out characters counted less often.
            Defaults to `1`.
        lowercase: Bool. Whether text is lowercased first. Defaults to `False`.
        vocabulary: List of str, or `None`: the characters, in place of `adapt`.
            Defaults to `None`.
        name: Name of the layer. Defaults to `None`.
        dtype: Dtype policy of the layer; ids are int32 whatever it is. Defaults to
            `None`.

    Raises:
        ValueError: If an argument is outside the values named above.

    Example:
    >>> tokenizer = CharacterTokenizer()
    >>> tokenizer.adapt(["to be", "not"])
    >>> tokenizer.vocabulary[4:]
    ['o', 't', ' ', 'b', 'e', 'n']
    >>> tokenizer.encode("to be!")
    [5, 4, 6, 7, 8, 3]
    >>> tokenizer.detokenize([[5, 4, 6, 7, 8]]).numpy().tolist()
    [b'to be']
    """

    def _split(self, text):
        text = tf.strings.strip(plain_spaces(text))
        text = tf.strings.regex_replace(text, r"\x{0}", "\ufffd")
        return tf.strings.unicode_split(text, "UTF-8")

    def _join(self, words):
        return tf.strings.reduce_join(words, axis=-1)


def plain_spaces(text):
    """Replaces every whitespace character by a space.

    Args:
        text: String tensor, UTF-8.

    Returns:
        String tensor of the same shape.
    """
    return tf.strings.regex_replace(text, _WHITESPACE, " ")


def _dataset_texts(dataset):
    for element in dataset.as_numpy_iterator():
        for text in np.ravel(element):
            yield text.decode("utf-8")
