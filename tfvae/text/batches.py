"""Batches of equally long sentences from a stream of texts, in bounded memory."""

import contextlib
import copy
import functools
import itertools
import os

import numpy as np
import tensorflow as tf

from tfvae.checks import require
from tfvae.ops.runtime import without_autotune
from tfvae.text.formats import count_lines, is_stream
from tfvae.text.labels import RecordError
from tfvae.text.readers import read_numbered, read_records
from tfvae.text.records import (
    TOO_LONG,
    Limits,
    concatenate,
    count_records,
    count_words,
    learn_label_names,
    read_blocks,
    select,
)
from tfvae.text.token_rows import TokenRows, allowed_lengths
from tfvae.text.tokenizer import WordTokenizer
from tfvae.text.vocabulary import UNK_ID

# Between the lengths that contexts are padded to.
_CONTEXT_STEP = 16


class Batches:
    """Groups a stream of texts into right-padded batches of token ids.

    A batch is `{"tokens": int32 [B, T]}`: words only, no `<s>` nor `</s>`, padded by 0.
    Where the texts come with them, it also has `"label"` (int32 `[B]`) and `"context"`
    (int32 `[B, T']`, or with `max_turns` `[B, N, T']`). The texts are read anew in
    every epoch and never held as a whole: sentences are shuffled, and grouped by
    length, within a window. `T` is the smallest of `boundaries` that holds the longest
    sentence of the batch.

    Each window's `num_sentences % batch_size` spare sentences, a random choice when
    shuffling, move to the next window, so at most the last batch of an epoch is
    smaller. An epoch's order is a function of `seed` and the epoch alone.

    `len(batches)` is the number of steps of an epoch. Iterating yields the batches of
    epoch 0 as dicts of NumPy arrays; `dataset` and `repeated` are for TensorFlow.

    Args:
        texts: Path of a file that `read_texts` reads (str or `os.PathLike`, so a str is
            never a sentence; no pipe, since every epoch reads it anew), a list of
            texts, or a callable without arguments that returns a fresh iterator over
            them. Texts are str, or dicts with `"text"` and, in all or none, `"label"`
            (str or int) and `"context"` (str, or with `max_turns` a list of str, the
            oldest turn first).
        tokenizer: A tokenizer, or `None` for a `WordTokenizer`. If it has no vocabulary
            yet, the constructor reads the texts, with their contexts, and it learns
            from what is trained on: not from the sentences, or ends of sentences, that
            `too_long` leaves out by their number of words. Defaults to `None`.
        batch_size: Positive int. Defaults to `32`.
        column: Str or int. The column of the sentences, by name or number, where
            `texts` is a `.csv`, `.tsv` or `.jsonl` file, see `read_columns`. Defaults
            to `"text"`.
        header: Bool. Whether the first row of a `.csv` or `.tsv` file holds names.
            Defaults to `True`.
        context_column: Str or int. The column of the contexts in such a file, see
            `read_records`, or `None`.
        label_column: Str or int. The column of the labels, texts or ints, or `None`.
        label_names: Sequence of str, the labels by the numbers that they have in
            training, for texts to validate and test on; `None` for those that occur,
            see `learn_label_names`.
        max_length: Positive int. Largest number of tokens of a text. Defaults to
            `200`.
        max_context_length: Positive int. Largest number of tokens of a context, or of
            one of its turns; `None` for `max_length`.
        max_turns: Positive int `N`. Contexts are dialogues of at most so many turns, of
            which the last ones are kept where `too_long` cuts; `None` for contexts of
            one text each.
        too_long: What becomes of longer ones: `"error"` refuses them, `"truncate"` cuts
            them after `max_length` tokens, `"drop"` leaves the sentence out. Defaults
            to `"error"`.
        unknown_share: Float, at least 0 and below 1. Share of the tokens of the
            sentences (not of the contexts) that are replaced by `<unk>`, others in each
            epoch, so that a model learns what to make of unknown words where the
            training text has none. For training only. Defaults to `0.0`.
        max_tokens: Int above 4, or `None`. Largest vocabulary to learn, the four
            special tokens included. Defaults to `None`, no limit.
        min_count: Positive int. Words that occur less often are not learned. Defaults
            to `1`.
        lowercase: Bool. Whether the learned tokenizer lowercases. Defaults to `False`.
        boundaries: The allowed `T`: `"all"`, `"few"` (`bucket_boundaries(max_length)`)
            or increasing ints, the last at least `max_length`. Defaults to `None`,
            `"few"` on an accelerator, where XLA compiles a program for each, and
            `"all"` elsewhere.
        shuffle: Bool. `False`, for evaluation, keeps every sentence in the order of the
            texts, so that outputs line up with inputs. Defaults to `True`.
        sort: Bool. Whether the sentences of a window are grouped by length. Defaults to
            `None`, which is `shuffle`.
        window: Int, at least `batch_size`. Sentences held at once. Defaults to `65536`.
        seed: Non-negative int. Defaults to `0`.
        drop_remainder: Bool. Whether the sentences that fill no batch are left out of
            the epoch; otherwise they form a smaller last batch. Defaults to `None`,
            which is `shuffle`.

    Raises:
        FileNotFoundError: If `texts` is a path where there is no file.
        ValueError: If an argument is outside the values named above, if what a
            vocabulary is learned by comes with a `tokenizer`, a `column` without a path
            of a table or an `unknown_share` with `shuffle=False`, or if no vocabulary
            can be learned from the texts.

    Example:
    >>> texts = ["a cat ran", "a cat", "a dog ran"]
    >>> batches = Batches(texts, batch_size=2, boundaries="all", shuffle=False)
    >>> batches.tokenizer.vocabulary[4:]
    ['a', 'cat', 'ran', 'dog']
    >>> [batch["tokens"].tolist() for batch in batches]
    [[[4, 5, 6], [4, 5, 0]], [[4, 7, 6]]]
    >>> len(batches), batches.num_sentences()
    (2, 3)
    """

    def __init__(
        self,
        texts,
        tokenizer=None,
        batch_size=32,
        *,
        column="text",
        header=True,
        context_column=None,
        label_column=None,
        label_names=None,
        max_length=200,
        max_context_length=None,
        max_turns=None,
        too_long="error",
        unknown_share=0.0,
        max_tokens=None,
        min_count=1,
        lowercase=False,
        boundaries=None,
        shuffle=True,
        sort=None,
        window=65536,
        seed=0,
        drop_remainder=None,
    ):
        if batch_size < 1 or max_length < 1 or seed < 0:
            raise ValueError(
                "`batch_size` and `max_length` must be positive and `seed` must not be "
                f"negative. Received: batch_size={batch_size}, "
                f"max_length={max_length}, seed={seed}"
            )
        if window < batch_size:
            raise ValueError(
                "`window` must hold at least one batch. "
                f"Received: window={window}, batch_size={batch_size}"
            )
        if too_long not in TOO_LONG:
            raise ValueError(
                f"`too_long` must be one of {', '.join(TOO_LONG)}. "
                f"Received: {too_long!r}"
            )
        if not 0.0 <= unknown_share < 1.0 or unknown_share and not shuffle:
            raise ValueError(
                "`unknown_share` must be at least 0 and below 1, and 0 with "
                "shuffle=False, for evaluation. "
                f"Received: unknown_share={unknown_share}, shuffle={shuffle}"
            )
        for name, value in (
            ("max_context_length", max_context_length),
            ("max_turns", max_turns),
        ):
            require(name, value, value is None or value >= 1, "positive or None")
        self.batch_size = batch_size
        self.max_length = max_length
        self.max_context_length = max_context_length
        self.max_turns = max_turns
        self.too_long = too_long
        self.unknown_share = unknown_share
        self.boundaries = allowed_lengths(boundaries, max_length)
        # Few: under XLA each pair with a length of the sentences is a program of its
        # own.
        self.context_boundaries = allowed_lengths(
            boundaries if boundaries in (None, "all") else "few",
            max_context_length or max_length,
            _CONTEXT_STEP,
        )
        self.shuffle = shuffle
        self.sort = shuffle if sort is None else sort
        self.window = window
        self.seed = seed
        self.drop_remainder = shuffle if drop_remainder is None else drop_remainder
        self._counts = None
        self._failures = []
        self._label_names = None if label_names is None else tuple(label_names)
        self.texts, self._file = _reopenable(
            texts, column, header, context_column, label_column
        )
        if tokenizer is None:
            tokenizer = WordTokenizer(max_tokens, min_count, lowercase)
        elif (max_tokens, min_count, lowercase) != (None, 1, False):
            raise ValueError(
                "`max_tokens`, `min_count` and `lowercase` are for the tokenizer that "
                f"is made here, but `tokenizer` is given. Received: {max_tokens=}, "
                f"{min_count=}, {lowercase=}. Leave them out, or leave out `tokenizer`."
            )
        self.tokenizer = tokenizer
        if not tokenizer.has_vocabulary:
            with self._locating():
                words = count_words(self._read(), *self._limits())
            tokenizer.learn(words)

    def __len__(self):
        """Returns the number of batches of an epoch, the same in every epoch.

        Returns:
            Int.

        Raises:
            ValueError: If a text is refused, or there are fewer sentences than
                `batch_size` and the remainder is dropped.
        """
        full, rest = divmod(self.num_sentences(), self.batch_size)
        if not self.drop_remainder:
            return full + (rest > 0)
        if full == 0:
            raise ValueError(
                f"{self._place}: fewer sentences than one batch. "
                f"Received: {rest} sentences{self._left_out()}, "
                f"batch_size={self.batch_size}. Lower `batch_size` (`--batch-size`); "
                "in Python, `drop_remainder=False` takes a smaller batch too."
            )
        return full

    def _left_out(self):
        num = self.counts().num_dropped
        return f" ({num} longer ones were left out)" if num else ""

    def __iter__(self):
        """Iterates over the batches of epoch 0, see `arrays`."""
        return self.arrays()

    def counts(self):
        """Counts sentences, words and tokens, reading the texts at the first call.

        Returns:
            A `TextCounts`.

        Raises:
            ValueError: If a text is refused, or no sentence is left.
        """
        if self._counts is None:
            with self._locating():
                counts = count_records(self._read(), *self._limits())
            if self._file is not None:
                counts = counts._replace(num_lines=count_lines(self._place))
            self._counts = counts
        return self._counts._replace(unknown_share=self.unknown_share)

    @property
    def has_context(self):
        """Whether the sentences come with a context; reads the first of them."""
        return self._comes_with("context")

    @property
    def label_names(self):
        """The labels by their numbers, a tuple of str; `None` without labels.

        The first access reads the texts, unless the names were given.
        """
        if self._label_names is None and self._comes_with("label"):
            with self._locating():
                self._label_names = learn_label_names(self._read())
        return self._label_names

    def _comes_with(self, key):
        """Whether the sentences come with a context or a label."""
        if self._counts is not None:
            return key in self._counts.keys
        first = next(iter(self._read()), None)
        return isinstance(first, dict) and key in first

    def num_sentences(self):
        """Returns the number of sentences, without those dropped as too long.

        Returns:
            Int.
        """
        return self.counts().num_sentences

    def for_evaluation(self, sort=True):
        """Creates batches of every sentence of the same texts, in a fixed order.

        Nothing is shuffled, no remainder is dropped and no word replaced, however these
        batches were made; sentences that `too_long="drop"` leaves out stay out. The
        counts are shared, so the texts are not read again for them.

        Args:
            sort: Bool. Whether the sentences of a window are grouped by length, which
                pads least; `False` keeps the order of the texts. Defaults to `True`.

        Returns:
            A `Batches`.

        Raises:
            ValueError: If a text is refused.
        """
        self.counts()
        view = copy.copy(self)
        view.shuffle = view.drop_remainder = False
        view.sort = sort
        view.unknown_share = 0.0
        return view

    def arrays(self, epoch=0):
        """Computes the batches of an epoch as NumPy arrays.

        Args:
            epoch: Non-negative int. Defaults to `0`.

        Yields:
            Dicts of arrays.

        Raises:
            ValueError: If a text is refused, or `texts` does not give as many sentences
                as it gave before.
        """
        expected = self.num_sentences()
        generator = np.random.default_rng([self.seed, epoch])
        carried = None
        num_read = 0
        for block in self._windows(epoch):
            num_read += len(block["tokens"])
            if carried is not None:
                block = concatenate([carried, block])
            batches, spare = self._grouped(block, generator)
            for indices in batches:
                yield self._batch(select(block, indices))
            carried = select(block, spare)
        if num_read != expected:
            raise ValueError(
                f"{self._place}: gave {expected} sentences at first and {num_read} "
                "now. It must be the same texts that are read in every epoch."
            )
        if not self.drop_remainder and len(carried["tokens"]):
            yield self._batch(carried)

    def dataset(self, epoch=0):
        """Creates the dataset of one epoch, of known length.

        The first call reads all the texts once, so that a text that must be refused is
        refused here and not in the middle of training. Where `fit` of another Keras
        model gets it, pass `shuffle=False`: Keras warns that it shuffles no dataset.

        Args:
            epoch: Non-negative int, part of the seed of the order. Defaults to `0`.

        Returns:
            A `tf.data.Dataset` of dicts of int32 tensors.

        Raises:
            ValueError: If a text is refused, or there is no batch.
        """
        return self._dataset(lambda: self.arrays(epoch), len(self))

    def repeated(self, first_epoch=0):
        """Creates an endless dataset, whose passes are one epoch after the other.

        `fit` needs `steps_per_epoch=len(batches)` with it.

        Args:
            first_epoch: Non-negative int. The epoch of the first pass. Defaults to `0`.

        Returns:
            A `tf.data.Dataset` of dicts of int32 tensors.

        Raises:
            ValueError: If a text is refused, or there is no batch.
        """
        len(self)  # Refuses texts that give no batch, which would repeat forever.

        def passes():
            for epoch in itertools.count(first_epoch):
                yield from self.arrays(epoch)

        return self._dataset(passes, tf.data.INFINITE_CARDINALITY)

    def _dataset(self, generator, cardinality):
        signature = {
            key: tf.TensorSpec(self._shape(key), tf.int32) for key in self.counts().keys
        }
        remembered = functools.partial(self._remembering, generator)
        dataset = tf.data.Dataset.from_generator(remembered, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
        return without_autotune(dataset.prefetch(8))

    def _shape(self, key):
        if key == "label":
            return [None]
        if key == "context" and self.max_turns is not None:
            return [None, self.max_turns, None]
        return [None, None]

    def _remembering(self, generator):
        """Iterates, keeping an error for `reader_errors`; TensorFlow keeps its text."""
        self._failures.clear()
        try:
            yield from generator()
        except (ValueError, OSError) as error:
            self._failures.append(error)
            raise

    def _read(self):
        return self.texts() if callable(self.texts) else self.texts

    @property
    def _place(self):
        """What errors call the texts: the path of a file."""
        return "`texts`" if self._file is None else self._file.args[0]

    def _limits(self):
        limits = Limits(
            self.max_length,
            self.too_long,
            self.max_context_length,
            self.max_turns,
            lambda: self.label_names,
        )
        return self.tokenizer, limits

    def _locating(self):
        return _locating(self._place, self._file)

    def _blocks(self, epoch):
        generator = np.random.default_rng([self.seed, epoch, 1])
        with self._locating():
            for block in read_blocks(self._read(), *self._limits()):
                if self.unknown_share:
                    rows = block["tokens"]
                    replaced = generator.random(len(rows.flat)) < self.unknown_share
                    flat = np.where(replaced, np.int32(UNK_ID), rows.flat)
                    block["tokens"] = TokenRows(flat, rows.lengths)
                yield block

    def _windows(self, epoch):
        held = []
        count = 0
        for block in self._blocks(epoch):
            held.append(block)
            count += len(block["tokens"])
            if count >= self.window:
                yield concatenate(held)
                held = []
                count = 0
        if held:
            yield concatenate(held)

    def _grouped(self, block, generator):
        count = len(block["tokens"])
        order = generator.permutation(count) if self.shuffle else np.arange(count)
        kept, spare = np.split(order, [count - count % self.batch_size])
        if self.sort:
            keys = [block[k].lengths[kept] for k in ("context", "tokens") if k in block]
            kept = kept[np.lexsort(keys)]
        batches = kept.reshape(-1, self.batch_size)
        if self.shuffle:
            generator.shuffle(batches)
        return batches, spare

    def _batch(self, block):
        return {
            key: part if key == "label" else part.padded(self._width(key, part.lengths))
            for key, part in block.items()
        }

    def _width(self, key, lengths):
        widths = self.context_boundaries if key == "context" else self.boundaries
        return widths[np.searchsorted(widths, lengths.max())]


def read_label_names(path, label_column, *, column="text", header=True):
    """Reads the labels of a table, in the order in which they are numbered.

    Args:
        path: Path of a table, see `read_records`.
        label_column: Str or int. The column of the labels, texts or ints.
        column: Str or int. The column of the sentences. Defaults to `"text"`.
        header: Bool. Whether the first row of `.csv` and `.tsv` holds names. Defaults
            to `True`.

    Returns:
        Tuple of at least two str, see `learn_label_names`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is malformed, a column is missing, or a label or all of
            them are refused.
    """
    read = functools.partial(
        read_records, path, column, label_column=label_column, header=header
    )
    with _locating(path, read):
        return learn_label_names(record for _, record in read())


@contextlib.contextmanager
def _locating(place, numbered):
    """Names the file and the line of a record that is refused.

    Args:
        place: Str, what the texts are called.
        numbered: Function that reads a file's records with their lines, or `None`
            where the texts are no file.
    """
    try:
        yield
    except RecordError as error:
        if numbered is None:
            raise
        if error.number is not None:
            lines = itertools.islice(numbered(), error.number - 1, None)
            place = f"{place}, line {next(lines)[0]}"
        raise ValueError(f"{place}: {error.problem}") from None


@contextlib.contextmanager
def reader_errors(*sources):
    """Raises the error of a reader itself where TensorFlow only tells of it.

    A text that has become unreadable stops a dataset with an error of TensorFlow, whose
    text holds that of the reader and both tracebacks.

    Args:
        *sources: `Batches` whose datasets are read inside of the context; what is no
            `Batches` is ignored.

    Raises:
        ValueError: In place of `tf.errors.OpError`, if a text was refused.
        OSError: If a text could not be read.
    """
    try:
        yield
    except tf.errors.OpError:
        for source in sources:
            if isinstance(source, Batches) and source._failures:
                raise source._failures.pop() from None
        raise


def _reopenable(texts, column, header, context_column, label_column):
    """Finds how to read texts anew.

    Returns:
        A pair: `texts` as a callable or a list, and of a file the function that reads
        it with the numbers of its lines, else `None`.
    """
    if isinstance(texts, (str, os.PathLike)):
        if is_stream(texts):
            raise ValueError(
                f"{texts}: a pipe can be read only once, but batches are read anew in "
                "every epoch. Write the text to a file, or pass "
                "`list(read_texts(path))`."
            )
        # A missing file is reported now; nothing is read before the first item.
        read = functools.partial(read_numbered, texts, column, header=header)
        read()
        if context_column is not None or label_column is not None:
            read = functools.partial(
                read_records,
                texts,
                column,
                context_column=context_column,
                label_column=label_column,
                header=header,
            )
            next(read())
        return lambda: (item for _, item in read()), read
    if (column, header, context_column, label_column) != ("text", True, None, None):
        raise ValueError(
            "`column`, `context_column`, `label_column` and `header` are for `texts` "
            f"that is the path of a file. Received: {column=}, {context_column=}, "
            f"{label_column=}, {header=}, texts of type {type(texts).__name__}"
        )
    if callable(texts) or isinstance(texts, (list, tuple)):
        return texts, None
    raise ValueError(
        "`texts` must be a path, a list, or a callable that returns a fresh iterator, "
        "since every epoch reads it again. "
        f"Received: {type(texts).__name__}. Wrap it: `lambda: read_texts(...)`"
    )
