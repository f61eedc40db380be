"""Turns texts, with or without a label and a context, into blocks of token ids."""

import collections
import typing

import numpy as np
import tensorflow as tf

from tfvae.text.labels import RecordError, in_order, label_numbers, names_of
from tfvae.text.token_rows import TokenRows, TurnRows
from tfvae.text.vocabulary import UNK_ID, chunks

TOO_LONG = ("error", "truncate", "drop")
# From here on a share of sentences or tokens is worth a warning.
_LARGE_SHARE = 0.2
_CHUNK = 4096
# More are taken for a column of another kind.
_MOST_LABELS = 1000
_NAMES = {"text": "tokens", "context": "context", "label": "label"}


class TextCounts(typing.NamedTuple):
    """Holds what one pass over the texts counts.

    Attributes:
        num_sentences: Int. Sentences, the dropped ones not included.
        num_tokens: Int. Their tokens; `<s>`, `</s>` and padding not included.
        longest: Int. The largest number of tokens of a sentence.
        keys: Tuple of str. The keys of a batch.
        num_lines: Int. Lines of the file, a header and blank ones included; where the
            texts are no file, all the texts.
        num_words: Int. Words between whitespace in the sentences, before any is cut.
        num_single: Int. Sentences of one word between whitespace.
        num_dropped: Int. Sentences left out as too long.
        num_cut: Int. Sentences of which the end, or that of the context, is cut off.
        num_unknown: Int. Tokens that are `<unk>`.
        unknown_share: Float. Share of the tokens that `Batches` replaces by `<unk>`
            besides.
    """

    num_sentences: int
    num_tokens: int
    longest: int
    keys: tuple
    num_lines: int = 0
    num_words: int = 0
    num_single: int = 0
    num_dropped: int = 0
    num_cut: int = 0
    num_unknown: int = 0
    unknown_share: float = 0.0

    @property
    def unknown_rate(self):
        """The share of the tokens that are `<unk>`, a float from 0 to 1."""
        return self.num_unknown / max(self.num_tokens, 1)

    def warnings(self, training=None):
        """Lists what makes figures of these texts mean little.

        Args:
            training: The `TextCounts` of the texts that are trained on, or `None` if
                these are they. Defaults to `None`.

        Returns:
            List of str, a sentence or two each.
        """
        found = []
        num_read = self.num_sentences + self.num_dropped
        if self.num_dropped > _LARGE_SHARE * num_read:
            found.append(
                f"{self.num_dropped} of {num_read} sentences are longer than the limit "
                "and left out. Raise the limit, or cut long sentences: "
                "`too_long='truncate'` (`--too-long truncate`)."
            )
        tokens_are_words = self.num_tokens <= self.num_words
        if self.num_single > self.num_sentences / 2 and tokens_are_words:
            found.append(
                f"{self.num_single} of {self.num_sentences} sentences hold one word. "
                "If the text is written without spaces, take its characters for "
                "tokens: `CharacterTokenizer()` (`--tokenizer character`)."
            )
        if self.unknown_rate > _LARGE_SHARE:
            remedy = (
                "Learn a larger vocabulary, or wordpieces: `WordpieceTokenizer()` "
                "(`--tokenizer wordpiece`)."
                if training is None
                else "Is it the kind of text that the vocabulary was learned from?"
            )
            found.append(
                f"{self.unknown_rate:.0%} of the tokens are unknown, `<unk>`, so "
                f"likelihoods and perplexities say little. {remedy}"
            )
        learns_unknown = training and (training.num_unknown or training.unknown_share)
        if training and self.num_unknown and not learns_unknown:
            found.append(
                f"{self.num_unknown} of {self.num_tokens} tokens are unknown, `<unk>`, "
                "which never occurs in training, so its probability is not learned. "
                "Replace a few words of training by it: `unknown_share=0.01` "
                "(`--unknown-share 0.01`)."
            )
        return found


class Limits(typing.NamedTuple):
    """What is read of each text.

    Attributes:
        max_length: Positive int. Largest number of tokens of a text.
        too_long: `"error"`, `"truncate"` or `"drop"`: what becomes of longer ones.
        max_context_length: Positive int, the same of a context or of one of its turns;
            `None` for `max_length`.
        max_turns: Positive int. Largest number of turns of a context, which then is a
            list of str; the oldest ones are what is cut. `None` for one text.
        label_names: Function that returns the labels by their numbers, a sequence of
            str; called where the texts come with labels.
    """

    max_length: int
    too_long: str = "error"
    max_context_length: int | None = None
    max_turns: int | None = None
    label_names: typing.Callable | None = None

    def of(self, key):
        """Returns the largest number of tokens of `"text"` or `"context"`."""
        if key == "context" and self.max_context_length is not None:
            return self.max_context_length
        return self.max_length

    def splits(self, key):
        """Whether `"text"` or `"context"` is read as several turns."""
        return key == "context" and self.max_turns is not None


def read_blocks(texts, tokenizer, limits):
    """Tokenizes texts in blocks, checking each of them.

    Args:
        texts: Iterable of str, or of dicts with `"text"` and, in all of them or none,
            `"context"` (str, or with `max_turns` list of str) and `"label"` (str or
            int).
        tokenizer: A tokenizer with `encode_batch`.
        limits: `Limits`.

    Yields:
        Dicts with `"tokens"` (`TokenRows`) and, where the records have them,
        `"context"` (`TokenRows`, or with `max_turns` `TurnRows`) and `"label"` (int32
        array). All have the same keys.

    Raises:
        RecordError: A ValueError that names the record's number, counted from 1, if it
            lacks a key or has another one, a text or context has no token or too many,
            or a label is not one of the limits' names.
    """
    for first, columns in _column_chunks(texts):
        yield _block(columns, first, tokenizer, limits)[0]


def count_words(texts, tokenizer, limits):
    """Counts what a vocabulary is learned from: the texts and their contexts.

    Only what is trained on counts: without the sentences that are dropped, or their
    cut ends. Before wordpieces are known, a length is that in words.

    Args:
        texts: Iterable of str or of dicts, as for `read_blocks`.
        tokenizer: A tokenizer, whose `split` tells the words.
        limits: `Limits`, in words.

    Returns:
        `collections.Counter` of words, as bytes.

    Raises:
        ValueError: If a record lacks a key, has another one, or holds no str, or if
            every sentence is dropped.
    """
    counts = collections.Counter()
    num_read = num_kept = 0
    for first, columns in _column_chunks(texts):
        kept = np.ones(len(columns["text"]), bool)
        split = []
        for key, column in columns.items():
            if key == "label":
                continue
            column, owners, is_long = _flattened(column, key, first, limits)
            words = tokenizer.split(column)
            if limits.too_long == "drop":
                kept[is_long] = False
                kept[owners[words.row_lengths().numpy() > limits.of(key)]] = False
            split.append((key, words, owners))
        for key, words, owners in split:
            if not kept.all():
                words = tf.ragged.boolean_mask(words, kept[owners])
            if limits.too_long == "truncate":
                words = words[:, : limits.of(key)]
            counts.update(words.flat_values.numpy().tolist())
        num_read += len(kept)
        num_kept += int(kept.sum())
    if num_read and not num_kept:
        raise _no_sentence(limits.max_length)
    return counts


def count_records(texts, tokenizer, limits):
    """Counts sentences, tokens and what becomes of them.

    Args:
        texts: See `read_blocks`.
        tokenizer: See `read_blocks`.
        limits: See `read_blocks`.

    Returns:
        A `TextCounts`; its `num_lines` are the texts.

    Raises:
        ValueError: If a record is refused, see `read_blocks`, or no sentence is left.
    """
    total = collections.Counter()
    longest = 0
    keys = ()
    for first, columns in _column_chunks(texts):
        block, is_long = _block(columns, first, tokenizer, limits)
        texts_kept = columns["text"]
        if limits.too_long == "drop":
            texts_kept = [texts_kept[place] for place in np.flatnonzero(~is_long)]
        words = [len(text.split()) for text in texts_kept]
        lengths = block["tokens"].lengths
        total.update(
            num_sentences=len(lengths),
            num_tokens=int(lengths.sum()),
            num_lines=len(is_long),
            num_words=sum(words),
            num_single=words.count(1),
            num_dropped=len(is_long) - len(lengths),
            num_cut=int(is_long.sum()) if limits.too_long == "truncate" else 0,
            num_unknown=int((block["tokens"].flat == UNK_ID).sum()),
        )
        longest = max(longest, int(lengths.max(initial=0)))
        keys = tuple(block)
    if not total["num_sentences"]:
        raise _no_sentence(limits.max_length)
    return TextCounts(longest=longest, keys=keys, **total)


def learn_label_names(texts):
    """Lists the labels that occur, in the order in which they are numbered.

    Ints are in the order of their values, so that labels `0`, `1`, ... keep their
    numbers; texts are sorted.

    Args:
        texts: Iterable of dicts with labels, as for `read_blocks`.

    Returns:
        Tuple of at least two str.

    Raises:
        ValueError: If a record lacks a key or has another one, a label is empty or no
            str nor int, all are one, or there are too many to be labels.

    Example:
    >>> learn_label_names([{"text": "a", "label": 10}, {"text": "b", "label": 9}])
    ('9', '10')
    """
    found = set()
    for first, columns in _column_chunks(texts):
        found.update(names_of(columns["label"], first))
        if len(found) > _MOST_LABELS:
            raise RecordError(
                None,
                f"more than {_MOST_LABELS} different labels. Name the column of the "
                "labels by `label_column` (`--label-column`).",
            )
    if len(found) < 2:
        raise RecordError(
            None,
            "two labels at least are needed to tell sentences apart. Leave out "
            "`label_column` (`--label-column`), or name another. Received: "
            + " and ".join(map(repr, found)),
        )
    return in_order(found)


def _no_sentence(max_length):
    return RecordError(
        None,
        f"no sentence of at most max_length={max_length} tokens. Raise the limit, "
        "`max_length` (`--max-length`), or cut long sentences: `too_long='truncate'` "
        "(`--too-long truncate`).",
    )


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
        join = getattr(type(part), "concatenate", np.concatenate)
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
        _refuse_surrogates(records, first)
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
            turns = value if key == "context" and isinstance(value, list) else [value]
            if not all(isinstance(each, str) for each in turns):
                raise RecordError(number, f"{key!r} must be a str. Received: {value!r}")
        joined = (" ".join(v) if isinstance(v, list) else v for v in columns[key])
        _refuse_surrogates(list(joined), first)
    return columns


def _refuse_surrogates(column, first):
    try:
        "".join(column).encode("utf-8")
    except UnicodeEncodeError:
        is_whole = [
            not any("\ud800" <= letter <= "\udfff" for letter in text)
            for text in column
        ]
        raise RecordError(
            first + is_whole.index(False),
            "the text holds half of a surrogate pair, which is no character. Read it "
            'with errors="replace", or leave the sentence out.',
        ) from None


def _block(columns, first, tokenizer, limits):
    """Returns the block of the records that are kept, and which of all are too long."""
    block = {}
    is_long = np.zeros(len(columns["text"]), bool)
    for key, column in columns.items():
        if key == "label":
            block[key] = label_numbers(column, limits.label_names(), first)
            continue
        column, owners, has_more = _flattened(column, key, first, limits)
        rows, longer = _rows(column, key, first + owners, tokenizer, limits)
        is_long |= has_more
        is_long[owners[longer]] = True
        if limits.splits(key):
            rows = _padded_turns(rows, owners, limits.max_turns)
        block[_NAMES[key]] = rows
    if limits.too_long == "drop" and is_long.any():
        block = select(block, np.flatnonzero(~is_long))
    return block, is_long


def _flattened(column, key, first, limits):
    """Returns all texts or turns, their records' places, and which have more turns."""
    if not limits.splits(key):
        texts = [_one_text(value, number) for number, value in enumerate(column, first)]
        return texts, np.arange(len(texts)), np.zeros(len(texts), bool)
    turns, is_long = _turns(column, first, limits)
    owners = np.repeat(np.arange(len(turns)), [len(each) for each in turns])
    return [text for each in turns for text in each], owners, is_long


def _one_text(value, number):
    """Returns a text; of a context of one turn, that turn."""
    if isinstance(value, str):
        return value
    if len(value) == 1:
        return value[0]
    raise RecordError(
        number,
        f"the context has {len(value)} turns, and one text is read. Say how many are: "
        "`max_turns` (`--max-turns`).",
    )


def _rows(column, key, numbers, tokenizer, limits):
    """Tokenizes texts; returns them and which are too long."""
    rows = TokenRows(*tokenizer.encode_batch(column))
    most = limits.of(key)
    if not rows.lengths.all():
        raise RecordError(
            int(numbers[np.argmin(rows.lengths)]),
            f"the {key} has no words. Leave the sentence out, or write '<unk>' in "
            "its place.",
        )
    longer = rows.lengths > most
    if limits.too_long == "error" and longer.any():
        place = int(np.argmax(longer))
        name = "max_length" if key == "text" else "max_context_length"
        raise RecordError(
            int(numbers[place]),
            f"the {key} has {rows.lengths[place]} tokens, more than {most}. Raise the "
            f"limit, `{name}` (`--{name.replace('_', '-')}`), or cut or drop long "
            "sentences: `too_long='truncate'` or 'drop' (`--too-long truncate`).",
        )
    if limits.too_long == "truncate" and longer.any():
        rows = rows.truncated(most)
    return rows, longer


def _turns(column, first, limits):
    """Returns each context's last turns, a list of str, and which have more."""
    turns, is_long = [], np.zeros(len(column), bool)
    for place, value in enumerate(column):
        found = [value] if isinstance(value, str) else list(value)
        if not found:
            raise RecordError(
                first + place,
                "the context has no turn. Leave the row out, or write '<unk>' in its "
                "place.",
            )
        is_long[place] = len(found) > limits.max_turns
        if is_long[place] and limits.too_long == "error":
            raise RecordError(
                first + place,
                f"the context has {len(found)} turns, more than {limits.max_turns}. "
                "Raise the limit, `max_turns` (`--max-turns`), or keep the last ones: "
                "`too_long='truncate'` (`--too-long truncate`).",
            )
        turns.append(found[-limits.max_turns :])
    return turns, is_long


def _padded_turns(rows, owners, num_turns):
    """Puts empty turns before those of each record, of which each has one at least."""
    counts = np.bincount(owners)
    lengths = np.zeros([len(counts), num_turns], np.int64)
    lengths[np.arange(num_turns) >= num_turns - counts[:, None]] = rows.lengths
    return TurnRows(TokenRows(rows.flat, lengths.reshape(-1)), num_turns)
