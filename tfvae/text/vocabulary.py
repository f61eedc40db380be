"""The word list of a tokenizer, and its file."""

import collections
import itertools

from tfvae.files import replacing
from tfvae.ops.sequences import BOS_ID as BOS_ID
from tfvae.ops.sequences import EOS_ID as EOS_ID
from tfvae.ops.sequences import PAD_ID as PAD_ID
from tfvae.ops.sequences import UNK_ID as UNK_ID

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")


class Vocabulary:
    """Holds the words of a tokenizer in the order of their ids.

    Ids 0 to 3 are `<pad>`, `<s>`, `</s>` and `<unk>`; they are added in front when
    `words` does not start with them.

    Args:
        words: Iterable of str, without repetition, none of them empty or holding
            whitespace; only the space alone may be one.

    Raises:
        ValueError: If a word is repeated, empty, not a str or holds whitespace (and is
            not the space alone), if a special token stands anywhere but at its own
            place, or if there is no word.

    Example:
    >>> Vocabulary(["tea", "milk"]).ids["milk"]
    5
    """

    def __init__(self, words):
        if isinstance(words, str):
            raise ValueError(
                f"`vocabulary` must be a list of words, not a str. Received: {words!r}"
            )
        words = tuple(words)
        if words[: len(SPECIAL_TOKENS)] == SPECIAL_TOKENS:
            words = words[len(SPECIAL_TOKENS) :]
        if not words:
            raise ValueError(
                "`vocabulary` holds no word besides the special tokens. "
                "Give at least one word."
            )
        for word in words:
            _check_word(word)
        self.words = SPECIAL_TOKENS + words
        self.ids = {
            word: index for index, word in enumerate(words, len(SPECIAL_TOKENS))
        }
        if len(self.ids) < len(words):
            repeated = collections.Counter(words).most_common(1)[0][0]
            raise ValueError(
                f"`vocabulary` must hold each word once. Received twice: {repeated!r}"
            )

    @classmethod
    def from_counts(cls, counts, max_tokens=None, min_count=1):
        """Creates the vocabulary of the most frequent words.

        Words are ordered by count, descending; words of equal count alphabetically (by
        code point), so that the order does not depend on the order of the texts.

        Args:
            counts: Mapping from word to number of occurrences.
            max_tokens: Int or `None`. Largest size, the four special tokens included.
                Defaults to `None`, no limit.
            min_count: Int. Words counted less often are left out. Defaults to `1`.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: If no word remains.
        """
        kept = [word for word, count in counts.items() if count >= min_count]
        if not kept:
            raise ValueError(
                "The vocabulary would be empty: `texts` holds no word that occurs at "
                f"least `min_count` times. Received: min_count={min_count}, "
                f"{len(counts)} different words."
            )
        kept.sort(key=lambda word: (-counts[word], word))
        if max_tokens is not None:
            kept = kept[: max_tokens - len(SPECIAL_TOKENS)]
        return cls(kept)

    @classmethod
    def read(cls, path):
        """Reads a vocabulary file: UTF-8, one word per line, in the order of the ids.

        Args:
            path: Path of the file.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: If the file is not UTF-8 or its words are refused.
        """
        with open(path, "rb") as file:
            content = file.read()
        try:
            return cls(content.decode("utf-8").removesuffix("\n").split("\n"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def write(self, path):
        """Writes the file that `read` reads.

        Args:
            path: Path of the file; an existing one is replaced.
        """
        with replacing(path) as beside, open(beside, "wb") as file:
            file.write("".join(f"{word}\n" for word in self.words).encode("utf-8"))

    def __len__(self):
        return len(self.words)


def chunks(items, size):
    """Cuts an iterable into lists, reading no further ahead than one list.

    Args:
        items: Iterable.
        size: Positive int. Length of every list but the last.

    Yields:
        Lists of `size` items; the last may be shorter.
    """
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _check_word(word):
    if not isinstance(word, str) or word.split() != [word] and word != " ":
        raise ValueError(
            "`vocabulary` must hold str words without whitespace. "
            f"Received: {word!r}. Split it, or leave it out."
        )
    if word in SPECIAL_TOKENS:
        raise ValueError(
            f"`vocabulary` must start with {', '.join(SPECIAL_TOKENS)} in this order, "
            f"or hold none of them. Received {word!r} at another place. Leave it out."
        )
