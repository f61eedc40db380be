"""Batches of equally long sentences from a stream of texts, in bounded memory."""

import itertools

import numpy as np
import tensorflow as tf

from tfvae.text.buckets import bucket_boundaries, checked_boundaries
from tfvae.text.records import TOO_LONG, concatenate, count_records, read_blocks, select


class Batches:
    """Groups a stream of texts into right-padded batches of token ids.

    A batch is `{"tokens": int32 [B, T]}`: words only, no `<s>` nor `</s>`, padded by 0.
    Where the texts come with them, it also has `"label"` (int32 `[B]`) and `"context"`
    (int32 `[B, T']`). The texts are read anew in every epoch and never held as a whole:
    sentences are shuffled, and grouped by length, within a window. `T` is the smallest
    of `boundaries` that holds the longest sentence of the batch, so that few shapes
    occur.

    Each window's `num_sentences % batch_size` spare sentences, a random choice when
    shuffling, move to the next window, so at most the last batch of an epoch is
    smaller. An epoch's order is a function of `seed` and the epoch alone.

    Args:
        texts: Callable without arguments that returns a fresh iterator, or a list.
            Items are str, or dicts with `"text"` and, in all or none, `"label"` (int)
            and `"context"` (str).
        tokenizer: A tokenizer with a vocabulary.
        batch_size: Positive int.
        max_length: Positive int. Largest number of tokens of a text or a context.
            Defaults to `200`.
        too_long: What becomes of longer ones: `"error"` refuses them, `"truncate"` cuts
            them after `max_length` tokens, `"drop"` leaves the sentence out. Defaults
            to `"error"`.
        boundaries: Increasing ints, the last at least `max_length`: the allowed `T`.
            Defaults to `None`, which is `bucket_boundaries(max_length)`.
        shuffle: Bool. `False` keeps the order of the texts, so that outputs line up
            with inputs. Defaults to `True`.
        sort: Bool. Whether an unshuffled window is grouped by length, for evaluation
            where the order does not matter. Defaults to `False`.
        window: Int, at least `batch_size`. Sentences held at once. Defaults to `65536`.
        seed: Non-negative int. Defaults to `0`.
        drop_remainder: Bool. Whether the sentences that fill no batch are left out of
            the epoch; otherwise they form a smaller last batch. Defaults to `None`,
            which is `shuffle`.

    Raises:
        ValueError: If an argument is outside the values named above.

    Example:
    >>> from tfvae.text import WordTokenizer
    >>> tokenizer = WordTokenizer(vocabulary=["a", "cat", "ran"])
    >>> texts = ["a cat ran", "a cat", "cat ran"]
    >>> batches = Batches(texts, tokenizer, batch_size=2, max_length=4, shuffle=False)
    >>> [batch["tokens"].tolist() for batch in batches.arrays()]
    [[[4, 5, 6, 0], [4, 5, 0, 0]], [[5, 6, 0, 0]]]
    """

    def __init__(
        self,
        texts,
        tokenizer,
        batch_size,
        *,
        max_length=200,
        too_long="error",
        boundaries=None,
        shuffle=True,
        sort=False,
        window=65536,
        seed=0,
        drop_remainder=None,
    ):
        if not callable(texts) and not isinstance(texts, (list, tuple)):
            raise ValueError(
                "`texts` must be a callable that returns a fresh iterator, or a list, "
                "since every epoch reads it again. "
                f"Received: {type(texts).__name__}. Wrap it: `lambda: read_texts(...)`"
            )
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
        self.texts = texts
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.max_length = max_length
        self.too_long = too_long
        self.boundaries = checked_boundaries(
            bucket_boundaries(max_length) if boundaries is None else boundaries,
            max_length,
        )
        self.shuffle = shuffle
        self.sort = sort or shuffle
        self.window = window
        self.seed = seed
        self.drop_remainder = shuffle if drop_remainder is None else drop_remainder
        self._counts = None

    def counts(self):
        """Counts sentences and tokens; reads all the texts at the first call only.

        Returns:
            A `TextCounts`.

        Raises:
            ValueError: If a text is refused, or no sentence is left.
        """
        if self._counts is None:
            counts = count_records(self._blocks())
            if counts.num_sentences == 0:
                raise ValueError(
                    "`texts` gives no sentence of at most "
                    f"max_length={self.max_length} tokens."
                )
            self._counts = counts
        return self._counts

    def num_sentences(self):
        """Counts the sentences of the texts, without the dropped too long ones.

        Returns:
            Int.
        """
        return self.counts().num_sentences

    def num_batches(self):
        """Counts the batches of an epoch, the same in every epoch.

        Returns:
            Int.

        Raises:
            ValueError: If there are fewer sentences than `batch_size` and the remainder
                is dropped.
        """
        full, rest = divmod(self.num_sentences(), self.batch_size)
        if not self.drop_remainder:
            return full + (rest > 0)
        if full == 0:
            raise ValueError(
                "`texts` gives fewer sentences than one batch. "
                f"Received: {rest} sentences, batch_size={self.batch_size}. "
                "Lower `batch_size`, or pass drop_remainder=False."
            )
        return full

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
        for block in self._windows():
            num_read += len(block["tokens"])
            if carried is not None:
                block = concatenate([carried, block])
            batches, spare = self._grouped(block, generator)
            for indices in batches:
                yield self._batch(select(block, indices))
            carried = select(block, spare)
        if num_read != expected:
            raise ValueError(
                f"`texts` gave {expected} sentences at first and {num_read} now. It "
                "must return a fresh iterator over the same texts at each call."
            )
        if not self.drop_remainder and len(carried["tokens"]):
            yield self._batch(carried)

    def dataset(self, epoch=0):
        """Makes the dataset of one epoch, of known length.

        The first call reads all the texts once, so that a text that must be refused is
        refused here and not in the middle of training. Pass `shuffle=False` to `fit`
        with it, which otherwise warns that it does not shuffle datasets.

        Args:
            epoch: Non-negative int, part of the seed of the order. Defaults to `0`.

        Returns:
            A `tf.data.Dataset` of dicts of int32 tensors.

        Raises:
            ValueError: If a text is refused, or there is no batch.
        """
        return self._dataset(lambda: self.arrays(epoch), self.num_batches())

    def repeated(self, first_epoch=0):
        """Makes an endless dataset, whose passes are one epoch after the other.

        `fit` needs `steps_per_epoch=batches.num_batches()` with it.

        Args:
            first_epoch: Non-negative int. The epoch of the first pass. Defaults to `0`.

        Returns:
            A `tf.data.Dataset` of dicts of int32 tensors.

        Raises:
            ValueError: If a text is refused, or there is no batch.
        """
        self.num_batches()

        def passes():
            for epoch in itertools.count(first_epoch):
                yield from self.arrays(epoch)

        return self._dataset(passes, tf.data.INFINITE_CARDINALITY)

    def _dataset(self, generator, cardinality):
        signature = {
            key: tf.TensorSpec([None] if key == "label" else [None, None], tf.int32)
            for key in self.counts().keys
        }
        dataset = tf.data.Dataset.from_generator(generator, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
        return dataset.prefetch(8)

    def _blocks(self):
        texts = self.texts() if callable(self.texts) else self.texts
        return read_blocks(texts, self.tokenizer, self.max_length, self.too_long)

    def _windows(self):
        held = []
        count = 0
        for block in self._blocks():
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
            keys = [
                block[key].lengths[kept]
                for key in ("context", "tokens")
                if key in block
            ]
            kept = kept[np.lexsort(keys)]
        batches = kept.reshape(-1, self.batch_size)
        if self.shuffle:
            generator.shuffle(batches)
        return batches, spare

    def _batch(self, block):
        return {
            key: part if key == "label" else part.padded(self._width(part.lengths))
            for key, part in block.items()
        }

    def _width(self, lengths):
        return self.boundaries[np.searchsorted(self.boundaries, lengths.max())]
