"""Rows of token ids, held compactly, and the lengths that they are padded to."""

import itertools

import numpy as np

from tfvae.ops.runtime import has_accelerator
from tfvae.text.vocabulary import PAD_ID


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
        moved = self._starts[indices] - (np.cumsum(lengths) - lengths)
        places = np.arange(lengths.sum()) + np.repeat(moved, lengths)
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


class TurnRows:
    """Holds several turns of each row, as many for all, the missing ones empty.

    Args:
        turns: `TokenRows` of `N * num_turns` rows, those of a record one after the
            other, oldest first and empty ones before them.
        num_turns: Positive int.
    """

    def __init__(self, turns, num_turns):
        self.turns = turns
        self.num_turns = num_turns

    @property
    def lengths(self):
        """The number of ids of each row's longest turn, int64 array `[N]`."""
        return self.turns.lengths.reshape(-1, self.num_turns).max(1)

    @classmethod
    def concatenate(cls, parts):
        """Joins several `TurnRows` in their order."""
        turns = TokenRows.concatenate([part.turns for part in parts])
        return cls(turns, parts[0].num_turns)

    def __len__(self):
        return len(self.turns) // self.num_turns

    def __getitem__(self, indices):
        places = np.asarray(indices)[:, None] * self.num_turns
        places = places + np.arange(self.num_turns)
        return TurnRows(self.turns[places.reshape(-1)], self.num_turns)

    def padded(self, width):
        """Creates an int32 array `[N, num_turns, width]`, padded on the right."""
        return self.turns.padded(width).reshape(-1, self.num_turns, width)


def bucket_boundaries(max_length, step=4):
    """Computes the few lengths that sentences are padded to.

    Multiples of `step`: all of them up to 32, then growing by about a quarter; the last
    is `max_length`.

    Args:
        max_length: Positive int. The longest sentence.
        step: Positive int. Defaults to `4`.

    Returns:
        Tuple of increasing ints.

    Raises:
        ValueError: If an argument is not positive.

    Example:
    >>> bucket_boundaries(60)
    (4, 8, 12, 16, 20, 24, 28, 32, 40, 52, 60)
    """
    if max_length < 1 or step < 1:
        raise ValueError(
            "`max_length` and `step` must be positive. "
            f"Received: max_length={max_length}, step={step}"
        )
    boundaries = []
    length = step
    while length < max_length:
        boundaries.append(length)
        grown = -(-length * 5 // 4) if length >= 32 else length
        length = max(length + step, -(-grown // step) * step)
    return (*boundaries, max_length)


def allowed_lengths(boundaries, max_length, step=4):
    """Lists the lengths that batches are padded to.

    Args:
        boundaries: `"all"` for every length, `"few"` for `bucket_boundaries`, iterable
            of int, or `None` for `"few"` on an accelerator, where XLA compiles a
            program for each length, and `"all"` on CPUs, where padding costs time and
            another length nothing.
        max_length: Positive int. The longest sentence.
        step: Positive int, see `bucket_boundaries`. Defaults to `4`.

    Returns:
        Tuple of increasing ints, the last at least `max_length`.

    Raises:
        ValueError: If a word is unknown, or ints do not increase, or the last is below
            `max_length`.

    Example:
    >>> allowed_lengths("all", 5), allowed_lengths("few", 10)
    ((1, 2, 3, 4, 5), (4, 8, 10))
    """
    if boundaries is None:
        boundaries = "few" if has_accelerator() else "all"
    if boundaries == "few":
        return bucket_boundaries(max_length, step)
    if boundaries == "all":
        return tuple(range(1, max_length + 1))
    if isinstance(boundaries, str):
        raise ValueError(
            "`boundaries` must be 'all', 'few' or increasing lengths. "
            f"Received: boundaries={boundaries!r}"
        )
    boundaries = tuple(boundaries)
    increasing = all(a < b for a, b in itertools.pairwise(boundaries))
    if not boundaries or not increasing or boundaries[-1] < max_length:
        raise ValueError(
            "`boundaries` must be increasing lengths, the last at least `max_length`. "
            f"Received: boundaries={boundaries}, max_length={max_length}"
        )
    return boundaries
