"""The few lengths that sentences are padded to."""

import itertools

from tfvae.ops.graph import has_accelerator


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
    return checked_boundaries(boundaries, max_length)


def checked_boundaries(boundaries, max_length):
    """Checks the lengths that sentences may be padded to.

    Args:
        boundaries: Iterable of int.
        max_length: Positive int. The longest sentence.

    Returns:
        Tuple of int.

    Raises:
        ValueError: If they do not increase, or the last is below `max_length`.
    """
    boundaries = tuple(boundaries)
    increasing = all(a < b for a, b in itertools.pairwise(boundaries))
    if not boundaries or not increasing or boundaries[-1] < max_length:
        raise ValueError(
            "`boundaries` must be increasing lengths, the last at least `max_length`. "
            f"Received: boundaries={boundaries}, max_length={max_length}"
        )
    return boundaries
