"""Turns texts, with or without a label and a context, into blocks of token ids."""

import typing

import numpy as np

from tfvae.text.vocabulary import PAD_ID, chunks

TOO_LONG = ("error", "truncate", "drop")
_CHUNK = 4096
_NAMES = {"text": "tokens", "context": "context", "label": "label"}


class TextCounts(typing.NamedTuple):
    """Holds what one pass over the texts counts.

    Attributes:
        num_sentences: Int. Sentences, the dropped ones not included.
        num_tokens: Int. Their tokens; `<s>`, `</s>` and padding not included.
        longest: Int. The largest number of tokens of a sentence.
        keys: Tuple of str. The keys of a batch.
    """

    num_sentences: int
    num_tokens: int
    longest: int
    keys: tuple


class TokenRows:
    """Holds token ids of varying length compactly: one flat array and the row ends.

    Args:
        flat: Int32 array `[sum of lengths]`. The ids, one row after the other.
        lengths: Int64 array `[N]`. The number of ids of each row.

    Example:
    >>> rows = TokenRows(np.array([5, 6, 7, 8], np.int32), np.array([1, 3]))
    >>> rows[[1, 0]].padded(4)
    array([[6, 7, 8, 0],
           [5, 0, 0, 0]], dtype=int32)
    """

    def __init__(self, flat, lengths):
        self.flat = flat
        self.lengths = lengths
        self._starts = np.cumsum(lengths) - lengths

    @classmethod
    def concatenate(cls, parts):
        """Joins several `TokenRows` in their order.

        Args:
            parts: List of `TokenRows`.

        Returns:
            A `TokenRows`.
        """
        return cls(
            np.concatenate([part.flat for part in parts]),
            np.concatenate([part.lengths for part in parts]),
        )

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, indices):
        lengths = self.lengths[indices]
        ends = np.cumsum(lengths)
        within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        places = np.repeat(self._starts[indices], lengths) + within
        return TokenRows(self.flat[places], lengths)

    def truncated(self, max_length):
        """Cuts every row after its first `max_length` ids.

        Args:
            max_length: Positive int.

        Returns:
            A `TokenRows`.
        """
        position = np.arange(len(self.flat)) - np.repeat(self._starts, self.lengths)
        kept = self.flat[position < max_length]
        return TokenRows(kept, np.minimum(self.lengths, max_length))

    def padded(self, width):
        """Creates a rectangle of the rows, padded on the right.

        Args:
            width: Int, at least the longest row's length.

        Returns:
            Int32 array `[N, width]`.
        """
        rectangle = np.full((len(self), width), PAD_ID, np.int32)
        rectangle[np.arange(width) < self.lengths[:, None]] = self.flat
        return rectangle


def read_blocks(texts, tokenizer, max_length, too_long):
    """Tokenizes texts in blocks, checking each of them.

    Args:
        texts: Iterable of str, or of dicts with `"text"` and, in all of them or none,
            `"context"` (str) and `"label"` (int, or str of an int).
        tokenizer: A tokenizer with `encode_batch`.
        max_length: Positive int. Largest number of tokens of a text or context.
        too_long: `"error"`, `"truncate"` or `"drop"`: what becomes of longer ones.

    Yields:
        Dicts with `"tokens"` (`TokenRows`) and, where the records have them,
        `"context"` (`TokenRows`) and `"label"` (int32 array). All have the same keys.

    Raises:
        ValueError: Naming the record's number, counted from 1, if it lacks a key or has
            another one, a text or context has no token or too many, or a label is no
            int.
    """
    for first, columns in _column_chunks(texts):
        yield _block(columns, first, tokenizer, max_length, too_long)


def sentences_of(texts):
    """Reads what a vocabulary is learned from: the texts and their contexts.

    Args:
        texts: Iterable of str or of dicts, as for `read_blocks`.

    Yields:
        Str.

    Raises:
        ValueError: If a record lacks a key, has another one, or holds no str.
    """
    for _, columns in _column_chunks(texts):
        for key, column in columns.items():
            if key != "label":
                yield from column


def count_records(blocks):
    """Counts sentences and tokens.

    Args:
        blocks: Iterable of dicts as `read_blocks` yields them.

    Returns:
        A `TextCounts`.
    """
    sentences = tokens = longest = 0
    keys = ()
    for block in blocks:
        lengths = block["tokens"].lengths
        sentences += len(lengths)
        tokens += int(lengths.sum())
        longest = max(longest, int(lengths.max(initial=0)))
        keys = tuple(block)
    return TextCounts(sentences, tokens, longest, keys)


def concatenate(blocks):
    """Joins blocks in their order.

    Args:
        blocks: List of dicts as `read_blocks` yields them.

    Returns:
        One such dict.
    """
    if len(blocks) == 1:
        return blocks[0]
    joined = {}
    for key, part in blocks[0].items():
        join = TokenRows.concatenate if isinstance(part, TokenRows) else np.concatenate
        joined[key] = join([block[key] for block in blocks])
    return joined


def select(block, indices):
    """Picks records of a block.

    Args:
        block: Dict as `read_blocks` yields it.
        indices: Int array. The places of the records, in the wanted order.

    Returns:
        One such dict.
    """
    return {key: part[indices] for key, part in block.items()}


def _column_chunks(texts):
    """Yields a chunk's first record number, counted from 1, and its columns by key."""
    keys = None
    first = 1
    for records in chunks(texts, _CHUNK):
        if keys is None:
            keys = _record_keys(records[0])
        yield first, _columns(records, keys, first)
        first += len(records)


def _record_keys(record):
    if isinstance(record, str):
        return ("text",)
    if not isinstance(record, dict) or "text" not in record:
        raise ValueError(
            "`texts` must hold str, or dicts with the key 'text'. "
            f"Received as the first: {record!r}"
        )
    for key in record:
        if key not in _NAMES:
            raise ValueError(
                f"`texts` may hold dicts with the keys {', '.join(_NAMES)} only. "
                f"Received: {key!r}"
            )
    return tuple(record)


def _columns(records, keys, first):
    if keys == ("text",) and all(isinstance(record, str) for record in records):
        return {"text": records}
    records = [{"text": item} if isinstance(item, str) else item for item in records]
    for number, record in enumerate(records, first):
        if not isinstance(record, dict) or record.keys() != set(keys):
            raise ValueError(
                "`texts` must hold records of one kind, with the keys of the first: "
                f"{', '.join(keys)}. Received as sentence {number}: {record!r}"
            )
    columns = {key: [record[key] for record in records] for key in keys}
    for key in set(keys) - {"label"}:
        for number, value in enumerate(columns[key], first):
            if not isinstance(value, str):
                raise ValueError(
                    f"Sentence {number}: {key!r} must be a str. Received: {value!r}"
                )
    return columns


def _block(columns, first, tokenizer, max_length, too_long):
    block = {}
    kept = np.ones(len(columns["text"]), bool)
    for key, column in columns.items():
        if key == "label":
            block[key] = _labels(column, first)
            continue
        rows = TokenRows(*tokenizer.encode_batch(column))
        _refuse_wordless(rows, key, first)
        fits = rows.lengths <= max_length
        if too_long == "error":
            _refuse_longer(rows, fits, key, first, max_length)
        elif too_long == "truncate":
            rows = rows if fits.all() else rows.truncated(max_length)
        else:
            kept &= fits
        block[_NAMES[key]] = rows
    return block if kept.all() else select(block, np.flatnonzero(kept))


def _labels(column, first):
    labels = np.empty(len(column), np.int32)
    for place, value in enumerate(column):
        try:
            labels[place] = int(value)
            exact = isinstance(value, str) or labels[place] == value
        except (TypeError, ValueError, OverflowError):
            exact = False
        if not exact:
            raise ValueError(
                f"Sentence {first + place}: 'label' must be an int below 2**31. "
                f"Received: {value!r}. Number the classes from 0."
            )
    return labels


def _refuse_wordless(rows, key, first):
    if not rows.lengths.all():
        number = first + int(np.argmin(rows.lengths))
        raise ValueError(
            f"Sentence {number}: the {key} has no words. Leave the sentence out, or "
            "write '<unk>' in its place."
        )


def _refuse_longer(rows, fits, key, first, max_length):
    if not fits.all():
        place = int(np.argmin(fits))
        raise ValueError(
            f"Sentence {first + place}: the {key} has {rows.lengths[place]} tokens, "
            f"more than max_length={max_length}. Raise `max_length`, or pass "
            "too_long='truncate' or too_long='drop'."
        )
