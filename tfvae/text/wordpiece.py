"""Wordpieces as tokens, so that a new word is seldom unknown."""

import collections
import heapq
import zlib

import keras
import tensorflow as tf

from tfvae.text.tokenizer import Tokenizer, plain_spaces
from tfvae.text.vocabulary import SPECIAL_TOKENS, Vocabulary

# In front of a piece that does not begin a word.
_MARK = "##"
# Stands inside "##" and special tokens that only begin a word of a text, which would be
# taken for a mark and for that token, and where a long word is cut in two. It never
# stands in the text that is written.
_BREAK = "\x01"
_SPECIAL_BEGINNING = f"(^| )<((?:{'|'.join(t[1:] for t in SPECIAL_TOKENS)})[^ ])"
# A longer word is cut in two, so that an export cuts any text in bounded time.
_LONGEST_WORD = 100
# Of a word with its break, in UTF-8; a longer one would be unknown.
MOST_BYTES = 4 * (_LONGEST_WORD + 2)
# In characters, of what is learned; and what the op of tensorflow-text allows.
_LONGEST_PIECE = 24
_MOST_BYTES_OF_A_PIECE = 256
_MOST_PIECES = 8000
# Characters of different words that pieces are learned from.
_MOST_LEARNED_FROM = 1_000_000


@keras.saving.register_keras_serializable("tfvae")
class WordpieceTokenizer(Tokenizer):
    """Turns text into ids of wordpieces, and back.

    Each word between whitespace is cut from the left into the longest pieces that the
    vocabulary holds; a piece inside a word is marked by `##` in front. A word with a
    character that no piece holds becomes one `<unk>`, and so do the four special tokens
    where they are written out in a text. `detokenize` joins the pieces and leaves out
    the mark.

    The vocabulary that `adapt` learns holds every character of the texts, at the start
    of a word and inside one, so no word of the texts is unknown. To these it adds the
    pair of neighbouring pieces that occurs most often as a new piece, again and again,
    until `max_tokens` are met or every word of up to 24 characters is a piece of its
    own. The characters U+0000 and U+0001 count as U+FFFD.

    It needs the package `tensorflow-text`. `tokenize` uses an op of that package, so a
    server of an export needs it too; `detokenize` uses core TensorFlow ops only.

    Args:
        max_tokens: Int above 4, or `None`. Vocabulary size, the four special tokens
            included. Defaults to `None`: the special tokens, the characters, and half
            as many pieces more as there are different words, so that the frequent words
            are pieces of their own and the others are made of several; at most 8,000
            where the characters leave room.
        min_count: Positive int. `adapt` leaves out characters and pieces that are
            counted less often; a word with such a character is unknown. Defaults to
            `1`.
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

    References:
        Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with
        Subword Units", 2016, for what is learned; Wu et al., "Google's Neural Machine
        Translation System", 2016, for the cutting by longest match.
    """

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

    def _split(self, text):
        text = plain_spaces(text)
        text = tf.strings.regex_replace(text, r"[\x{0}\x{1}]", "\ufffd")
        text = tf.strings.regex_replace(text, f"(^| ){_MARK}", rf"\1#{_BREAK}#")
        text = tf.strings.regex_replace(text, _SPECIAL_BEGINNING, rf"\1<{_BREAK}\2")
        longer = f"([^ ]{{{_LONGEST_WORD}}})([^ ])"
        text = tf.strings.regex_replace(text, longer, rf"\1 {_BREAK}\2")
        return tf.strings.split(text)

    def _join(self, words):
        text = super()._join(words)
        return tf.strings.regex_replace(text, f"(?:^| ){_MARK}| ?{_BREAK}", "")

    def _learn(self, counts):
        letters = collections.Counter()
        for word, count in counts.items():
            for letter in word:
                letters[letter] += count
        letters = {c: count for c, count in letters.items() if count >= self.min_count}
        if not letters:
            return Vocabulary.from_counts(counts, self.max_tokens, self.min_count)
        words = {w: count for w, count in counts.items() if letters.keys() >= set(w)}
        met, others = _letter_pieces(words, letters)
        base = [*met, *others]
        room = (self.max_tokens or _MOST_PIECES) - len(SPECIAL_TOKENS)
        if self.max_tokens is None:
            room = max(len(base), min(room, len(base) + len(words) // 2))
        elif room < len(met):
            raise ValueError(
                "`max_tokens` must leave room for every character of the texts, at the "
                "start of a word and inside one. Received: "
                f"max_tokens={self.max_tokens}; {len(met) + len(SPECIAL_TOKENS)} are "
                "needed. Raise it, or leave out rare characters by `min_count`."
            )
        base = base[:room]
        found = _frequent_pieces(words, base, room - len(base), self.min_count)
        return Vocabulary([*base, *found])

    def _make_id_table(self):
        import tensorflow_text

        for piece in self._vocabulary.words:
            if "\0" in piece or len(piece.encode("utf-8")) > _MOST_BYTES_OF_A_PIECE:
                raise ValueError(
                    "A wordpiece must have at most 256 bytes and no U+0000. "
                    f"Received: {piece[:40]!r}. Leave it out."
                )
        self._pieces = tensorflow_text.FastWordpieceTokenizer(
            list(self._vocabulary.words),
            suffix_indicator=_MARK,
            unknown_token=SPECIAL_TOKENS[self.unk_id],
            max_bytes_per_word=MOST_BYTES,
            no_pretokenization=True,
            token_out_type=tf.int32,
        )


def _letter_pieces(words, letters):
    """Lists the pieces of one character: those that occur, and the other forms."""
    counts = collections.Counter()
    for word, count in words.items():
        for piece in _letters_of(word):
            counts[piece] += count
    met = sorted(counts, key=lambda piece: (-counts[piece], piece))
    by_count = sorted(letters, key=lambda letter: (-letters[letter], letter))
    forms = (form for letter in by_count for form in (letter, _MARK + letter))
    return met, [form for form in forms if form not in counts]


def _letters_of(word):
    return [_MARK * (place > 0) + letter for place, letter in enumerate(word)]


def _frequent_pieces(words, known, num, min_count):
    """Joins the most frequent pair of neighbouring pieces until `num` are new."""
    known = {*known, *SPECIAL_TOKENS}
    found = []
    pairs = _Pairs(_sampled(words))
    while len(found) < num:
        pair, count = pairs.most_frequent()
        if count < min_count:
            break
        piece = pair[0] + pair[1].removeprefix(_MARK)
        if len(piece.removeprefix(_MARK)) > _LONGEST_PIECE or piece in SPECIAL_TOKENS:
            continue
        pairs.join(pair, piece)
        if piece not in known:
            known.add(piece)
            found.append(piece)
    return found


def _sampled(words):
    """Picks the most frequent words, of equal ones at random, in a fixed order."""
    order = sorted(
        words, key=lambda word: (-words[word], zlib.crc32(word.encode("utf-8")), word)
    )
    num_characters = 0
    for word in order:
        num_characters += len(word)
        if num_characters > _MOST_LEARNED_FROM:
            break
        yield word, words[word]


class _Pairs:
    """Counts the pairs of neighbouring pieces in words, whose pieces can be joined.

    The work of a pair is that of its occurrences, not of all the words.

    Args:
        words: Iterable of pairs of a word and its count.
    """

    def __init__(self, words):
        self._pieces, self._weights = [], []
        self._before, self._after = [], []
        self._counts = collections.Counter()
        self._places = collections.defaultdict(list)
        for word, count in words:
            first, last = len(self._pieces), len(self._pieces) + len(word) - 1
            self._pieces += _letters_of(word)
            self._weights += [count] * len(word)
            self._before += [-1, *range(first, last)]
            self._after += [*range(first + 1, last + 1), -1]
            for place in range(first, last):
                self._count(place)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._heap)

    def most_frequent(self):
        """Takes the most frequent pair, of equal ones the first alphabetically.

        Returns:
            Tuple of the pair and its count, `(None, 0)` if there is none.
        """
        while self._heap:
            count, pair = heapq.heappop(self._heap)
            if 0 < -count == self._counts[pair]:
                return pair, -count
        return None, 0

    def join(self, pair, piece):
        """Puts a piece in the place of a pair wherever it occurs."""
        changed = set()
        for place in sorted(self._places.pop(pair)):
            following = self._after[place]
            if (self._pieces[place], self._pieces[following]) != pair or following < 0:
                continue
            before, after = self._before[place], self._after[following]
            changed |= {self._count(before, -1), self._count(following, -1)}
            self._pieces[place], self._pieces[following] = piece, None
            self._after[place] = after
            if after >= 0:
                self._before[after] = place
            changed |= {self._count(before), self._count(place)}
        del self._counts[pair]
        for other in changed - {pair, None}:
            heapq.heappush(self._heap, (-self._counts[other], other))

    def _count(self, place, sign=1):
        """Counts the pair that starts at a place, or its end; returns the pair."""
        following = self._after[place]
        if place < 0 or following < 0:
            return None
        pair = self._pieces[place], self._pieces[following]
        self._counts[pair] += sign * self._weights[place]
        if sign > 0:
            self._places[pair].append(place)
        return pair
