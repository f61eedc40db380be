"""Labels of sentences, written as texts or ints: their names and numbers."""

import numbers

import numpy as np


class RecordError(ValueError):
    """A record that is refused, or all of them.

    Args:
        number: Int. Which record it is, counted from 1, or `None` for all.
        problem: Str. What is wrong and what to do, to follow the name of a place.
    """

    def __init__(self, number, problem):
        place = "`texts`" if number is None else f"Sentence {number}"
        super().__init__(f"{place}: {problem}")
        self.number = number
        self.problem = problem


def label_name(value):
    """Returns the name of a label: a text as it is, an int in digits.

    Args:
        value: Str or int.

    Raises:
        ValueError: If it is neither, or empty.
    """
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (is_int or isinstance(value, str)):
        raise ValueError(f"a label must be a text or an int. Received: {value!r}")
    name = str(value).strip()
    if not name:
        raise ValueError("the label is empty. Leave the row out, or give it a label.")
    return name


def in_order(names):
    """Sorts labels: by value where all are ints, else as texts.

    Args:
        names: Iterable of str.

    Returns:
        Tuple of str.

    Example:
    >>> in_order({"10", "9"}), in_order({"pos", "neg", "10"})
    (('9', '10'), ('10', 'neg', 'pos'))
    """
    names = set(names)
    are_ints = all(name.lstrip("-").isdecimal() for name in names)
    return tuple(sorted(names, key=int) if are_ints else sorted(names))


def names_of(labels, first=1):
    """Returns the names of labels.

    Args:
        labels: List of str or int.
        first: Int, the number of the first record. Defaults to `1`.

    Returns:
        List of str.

    Raises:
        RecordError: If a label is no str nor int, or empty.
    """
    names = []
    for number, value in enumerate(labels, first):
        try:
            names.append(label_name(value))
        except ValueError as error:
            raise RecordError(number, str(error)) from None
    return names


def label_numbers(labels, names, first=1):
    """Numbers labels by their places among names.

    Args:
        labels: List of str or int.
        names: Sequence of str.
        first: Int, the number of the first record. Defaults to `1`.

    Returns:
        Int32 array of `len(labels)`.

    Raises:
        RecordError: If a label is no str nor int, or not among `names`.
    """
    places = {name: place for place, name in enumerate(names)}
    found = names_of(labels, first)
    for number, name in enumerate(found, first):
        if name not in places:
            raise RecordError(
                number,
                f"the label {name!r} is not one of those that are trained on: "
                f"{', '.join(names)}.",
            )
    return np.array([places[name] for name in found], np.int32)
