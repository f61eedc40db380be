"""The sentences that a report is made on, with a label each where there are some."""

import os
import typing

from tfvae.text import read_columns, read_lines, read_texts


class LabelledText(typing.NamedTuple):
    """Sentences to measure and to draw.

    Attributes:
        name: Str, what the page calls them.
        texts: List of str.
        labels: List of str, one a sentence, or `None`.
    """

    name: str
    texts: list
    labels: list | None = None


def read_labelled(path, column="text", *, labels=None, label_column=None):
    """Reads sentences and their labels.

    Args:
        path: Path of the sentences, see `read_texts`.
        column: Str, column of the sentences in a `.tsv` or `.jsonl` file.
        labels: Path of a file with one label a line, or `None`.
        label_column: Str, column of the labels in the file of the sentences, or `None`.

    Returns:
        A `LabelledText`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is malformed or empty, both kinds of labels are given, or
            there are not as many labels as sentences.
    """
    name = os.path.basename(path)
    if labels is not None and label_column is not None:
        raise ValueError("Give a file of labels or a column of labels, not both.")
    if label_column is not None:
        rows = read_columns(path, [column, label_column])
        kept = [row for row in rows if str(row[column]).strip()]
        texts = list(read_texts(path, column))
        return LabelledText(name, texts, [str(row[label_column]) for row in kept])
    texts = list(read_texts(path, column))
    if labels is None:
        return LabelledText(name, texts)
    found = list(read_lines(labels))
    if len(found) != len(texts):
        raise ValueError(
            f"{labels}: one label a line is needed for each sentence of {path}. "
            f"Received: {len(found)} labels, {len(texts)} sentences"
        )
    return LabelledText(name, texts, found)
