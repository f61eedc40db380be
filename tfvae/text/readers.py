"""Streaming readers of text files; every error names the file and the line."""

import difflib
import json
import os


def read_lines(path):
    """Reads the sentences of a text file, one per line, lazily.

    The file is UTF-8, with or without a byte-order mark and with either kind of line
    end. Whitespace around a sentence is removed; blank lines are skipped.

    Args:
        path: Path of the file.

    Returns:
        Iterator of str.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not UTF-8, or, at the end of the file, if no sentence
            was found.
    """
    _check_file(path)
    return _refuse_empty(path, (text.strip() for _, text in _lines(path)), "sentence")


def read_columns(path, columns):
    """Reads named columns of a `.tsv` or `.jsonl` file, one row at a time.

    A `.tsv` file has a header row; fields are separated by tabs and taken literally (no
    quotes, no escapes). A `.jsonl` file has one object per line. Blank lines are
    skipped.

    Args:
        path: Path of the file.
        columns: List of str. The columns to read.

    Returns:
        Iterator of dicts from the column to its value: str from `.tsv`, any JSON value
        from `.jsonl`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the suffix is another one, a column is missing, a row is
            malformed or not UTF-8, or, at the end of the file, if no row was found.
    """
    _check_file(path)
    rows = (row for _, row in _numbered_rows(path, columns))
    return _refuse_empty(path, rows, "row")


def read_texts(path, column="text"):
    """Reads the sentences of a `.tsv` or `.jsonl` file, else of a text file.

    Args:
        path: Path of the file.
        column: Str. The column of the sentences in a `.tsv` or `.jsonl` file; rows
            where it is blank are skipped, as blank lines are. Defaults to `"text"`.

    Returns:
        Iterator of str.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is malformed or holds no sentence, see `read_lines` and
            `read_columns`, or if a value is not a str.
    """
    if _suffix(path) not in _ROW_READERS:
        return read_lines(path)
    _check_file(path)
    return _refuse_empty(path, _column_texts(path, column), "sentence")


def _column_texts(path, column):
    for number, row in _numbered_rows(path, [column]):
        text = row[column]
        if not isinstance(text, str):
            raise ValueError(
                f"{path}, line {number}: column {column!r} must hold a text. "
                f"Received: {text!r}"
            )
        if text.strip():
            yield text.strip()


def _lines(path):
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}, line {number}: not UTF-8 at byte {error.start + 1} of the"
                    " line. Convert the file to UTF-8."
                ) from error
            if text.strip():
                yield number, text.rstrip("\r\n")


def _numbered_rows(path, columns):
    suffix = _suffix(path)
    if suffix not in _ROW_READERS:
        raise ValueError(
            f"{path}: only {' and '.join(_ROW_READERS)} files have columns. "
            f"Received: suffix {suffix!r}"
        )
    return _ROW_READERS[suffix](path, columns)


def _tsv_rows(path, columns):
    lines = _lines(path)
    header_number, header = next(lines, (1, ""))
    names = header.split("\t")
    places = []
    for column in columns:
        _check_column(column, names, path, header_number)
        places.append(names.index(column))
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(names):
            raise ValueError(
                f"{path}, line {number}: the header names {len(names)} columns. "
                f"Received: {len(fields)} fields separated by tabs."
            )
        row = {column: fields[at] for column, at in zip(columns, places, strict=True)}
        yield number, row


def _jsonl_rows(path, columns):
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number}: not JSON, {error.msg} at character "
                f"{error.colno}. Each line must be one object."
            ) from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: each line must be one JSON object. "
                f"Received: {line[:40]}"
            )
        for column in columns:
            _check_column(column, row, path, number)
        yield number, {column: row[column] for column in columns}


_ROW_READERS = {".tsv": _tsv_rows, ".jsonl": _jsonl_rows}


def _suffix(path):
    return os.path.splitext(path)[1]


def _check_file(path):
    if os.path.isdir(path):
        raise ValueError(f"{path}: a file is needed. Received: a folder.")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file. Check the path.")


def _check_column(column, names, path, number):
    if column in names:
        return
    nearest = difflib.get_close_matches(column, names, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"{path}, line {number}: no column {column!r}. "
        f"Columns: {', '.join(names)}.{hint}"
    )


def _refuse_empty(path, items, what):
    found = False
    for item in items:
        found = True
        yield item
    if not found:
        raise ValueError(f"{path}: the file holds no {what}.")
