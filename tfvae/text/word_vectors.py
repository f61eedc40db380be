"""Reader of the text files of pretrained word vectors."""

import itertools
import re

import numpy as np

from tfvae.text.formats import check_file, numbered_lines

# What is left over at the end of a word where a line has too many numbers.
_NUMBER = re.compile(r" [+-]?\d+\.\d+(e[+-]?\d+)?$")


def read_word_vectors(path, words):
    """Reads the vectors of some words from a file in the format of GloVe or word2vec.

    Each line holds a word and its numbers, separated by spaces. A first line of two
    integers, the number of words and the width, may stand above (word2vec's text
    format). The name may end in `.gz`. Of a word that occurs twice the first vector is
    taken. Only the vectors of `words` are kept in memory.

    Args:
        path: Path of the file.
        words: List of str.

    Returns:
        Dict of float32 arrays `[D]` by word, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming the file and the line, if a line has another number of
            numbers than the first one, or something that is no number; or if the file
            holds none of the words.
    """
    check_file(path)
    lines = ((number, line.rstrip()) for number, line in numbered_lines(path))
    lines = ((number, line) for number, line in lines if line)
    width, lines = _width(lines)
    wanted, found = set(words), {}
    for number, line in lines:
        # Some words of GloVe's largest files hold spaces, but none a vector's number.
        word, *numbers = line.rsplit(" ", width)
        if len(numbers) != width or not word or _NUMBER.search(word):
            raise ValueError(
                f"{path}, line {number}: a word and {width} numbers are needed, as on "
                f"the first line. Received: {line[:60]!r}"
            )
        if word not in wanted or word in found:
            continue
        try:
            vector = np.array(numbers, np.float32)
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}: {error}. A word and {width} numbers, with "
                "spaces between, are needed."
            ) from error
        if not np.isfinite(vector).all():
            raise ValueError(
                f"{path}, line {number}: the vector of {word!r} is not finite. Remove "
                "the line."
            )
        found[word] = vector
    if not found:
        raise ValueError(
            f"{path}: no vector for any of the {len(wanted)} words of the vocabulary. "
            "A word and its numbers are needed on each line; files of lowercase words "
            "match models that are trained with --set lowercase=true."
        )
    return found


def _width(lines):
    """Returns the width of the vectors and the lines without the header."""
    first = next(lines, None)
    if first is None:
        return 0, lines
    fields = first[1].split(" ")
    if len(fields) == 2 and all(field.isdecimal() for field in fields):
        return int(fields[1]), lines
    return len(fields) - 1, itertools.chain([first], lines)
