"""From texts, with or without a label and a context, to checked blocks of ids."""

import typing

import numpy as np

from tfvae.text.token_rows import TokenRows
from tfvae.text.vocabulary import chunks

TOO_LONG = ("error", "truncate", "drop")
_CHUNK = 4096
_NAMES = {"text": "tokens", "context": "context", "label": "label"}


class TextCounts(typing.NamedTuple):
    """What one pass over the texts counts.

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


def read_blocks(texts, tokenizer, max_length, too_long):
    """Tokenizes records in blocks, checking each sentence.

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
    keys = None
    first = 1
    for records in chunks(texts, _CHUNK):
        if keys is None:
            keys = _record_keys(records[0])
        yield _block(records, keys, first, tokenizer, max_length, too_long)
        first += len(records)


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


def _record_keys(record):
    if isinstance(record, str):
        return ("text",)
    if not isinstance(record, dict) or "text" not in record:
        raise ValueError(
            "`texts` must give str, or dicts with the key 'text'. "
            f"Received as the first: {record!r}"
        )
    for key in record:
        if key not in _NAMES:
            raise ValueError(
                f"`texts` may give dicts with the keys {', '.join(_NAMES)} only. "
                f"Received: {key!r}"
            )
    return tuple(record)


def _block(records, keys, first, tokenizer, max_length, too_long):
    columns = _columns(records, keys, first)
    block = {}
    kept = np.ones(len(records), bool)
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


def _columns(records, keys, first):
    if keys == ("text",) and all(isinstance(record, str) for record in records):
        return {"text": records}
    records = [{"text": item} if isinstance(item, str) else item for item in records]
    for number, record in enumerate(records, first):
        if not isinstance(record, dict) or record.keys() != set(keys):
            raise ValueError(
                "`texts` must give records of one kind, with the keys of the first: "
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
