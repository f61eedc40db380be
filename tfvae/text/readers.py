"""Streaming readers of text files; every error names the file and the line."""

import csv
import difflib
import itertools
import json
import re

from tfvae.text.formats import check_file, numbered_lines, suffix_of

# What ends an utterance in a table of dialogues, as in DailyDialog.
_TURN_END = "__eou__"
# An open quote this many lines above the next one begins no field.
_LONGEST_FIELD = 1000


def read_lines(path):
    """Reads the sentences of a text file, one per line, lazily.

    The file is UTF-8, with or without a byte-order mark and with either kind of line
    end, and packed by gzip if its name ends in `.gz`. Whitespace around a sentence is
    removed; blank lines are skipped.

    Args:
        path: Path of a file or a pipe, or `"-"` for standard input.

    Returns:
        Iterator of str.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not UTF-8, or, at the end of the file, if no sentence
            was found.
    """
    check_file(path)
    numbered = _sentences(path, _plain_texts(path), keep_blank=False)
    return (text for _, text in numbered)


def read_columns(path, columns, *, header=True):
    """Reads columns of a table, one row at a time.

    The suffix tells the format, whatever its case, and `.gz` may follow it:

    - `.csv`: fields separated by commas, quoted by `"` where they hold commas, quotes
      (doubled) or line breaks.
    - `.tsv`: fields separated by tabs. A field is quoted if it starts with `"` and
      another `"`, those inside doubled, is its last character; any other quote is a
      character of the text. Where both readings are possible, the one that gives the
      header's number of fields is taken: lines that are rows of their own are not
      joined to one quoted field.
    - `.jsonl` (also `.ndjson`, `.json`): one JSON object per line.

    Blank lines are skipped.

    Args:
        path: Path of a file or a pipe.
        columns: List of the columns to read: the name in the header (str), or the
            number, counted from 1, as an int or digits. In `.jsonl` keys only.
        header: Bool. Whether the first row of `.csv` and `.tsv` holds names; without
            it columns have numbers only. Defaults to `True`.

    Returns:
        Iterator of dicts from the column, as given, to its value: str from `.csv` and
        `.tsv`, any JSON value from `.jsonl`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the suffix is another one, a column is missing or its name stands
            twice in the header, a row is malformed or not UTF-8, or, at the end of the
            file, if no row was found.
    """
    check_file(path)
    if not has_columns(path):
        raise ValueError(
            f"{path}: only {_listed(_ROW_READERS)} files have columns. "
            f"Received: suffix {suffix_of(path)!r}"
        )
    return (row for _, row in _full_rows(path, columns, header))


def read_texts(path, column="text", *, header=True):
    """Reads the sentences of a table, see `read_columns`, or else of a text file.

    Args:
        path: Path of a file or a pipe, or `"-"` for standard input, which is read as a
            text file.
        column: Str or int. The column of the sentences in a table; rows where it is
            blank are skipped, as blank lines are. Line breaks inside it become spaces.
            Defaults to `"text"`, which a text file ignores.
        header: Bool. Whether the first row of `.csv` and `.tsv` holds names. Defaults
            to `True`.

    Returns:
        Iterator of str.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is malformed or holds no sentence, see `read_lines` and
            `read_columns`, if a value is not a str, or if a text file is read with
            another `column` or `header`.
    """
    return (text for _, text in read_numbered(path, column, header=header))


def read_numbered(path, column="text", *, header=True, keep_blank=False):
    """Reads sentences as `read_texts` does, with the numbers of their lines.

    Args:
        path: See `read_texts`.
        column: See `read_texts`.
        header: See `read_texts`.
        keep_blank: Bool. Whether blank lines, and rows where the column is blank, come
            as an empty str, so that answers can stay in step with the file. Defaults
            to `False`.

    Returns:
        Iterator of pairs of int, the line where the sentence starts, counted from 1,
        and str.

    Raises:
        FileNotFoundError: See `read_texts`.
        ValueError: See `read_texts`.
    """
    check_file(path)
    if has_columns(path):
        texts = _column_texts(path, column, header)
    else:
        _refuse_columns(path, column, header)
        texts = _plain_texts(path)
    return _sentences(path, texts, keep_blank)


def read_records(
    path, column="text", *, context_column=None, label_column=None, header=True
):
    """Reads sentences with what stands beside them, with the numbers of their lines.

    Args:
        path: Path of a table, see `read_columns`.
        column: Str or int. The column of the sentences, or `None` to read none.
            Defaults to `"text"`.
        context_column: Str or int. The column of what a sentence answers: a str, or in
            `.jsonl` a list of str, the turns of a dialogue, oldest first; in `.csv` and
            `.tsv` turns are separated by `__eou__`. Or `None`.
        label_column: Str or int. The column of the labels, or `None`.
        header: Bool. Whether the first row of `.csv` and `.tsv` holds names. Defaults
            to `True`.

    Yields:
        Pairs of int, the line where the row starts, counted from 1, and a dict with
        those of `"text"`, `"context"` and `"label"` that there is a column for.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is malformed or no table, a column is missing, a text is
            empty, or a context is neither a str nor a list of str.
    """
    check_file(path)
    if not has_columns(path):
        raise ValueError(
            f"{path}: a text file has no columns for contexts or labels, only "
            f"{_listed(_ROW_READERS)} files do. Received: suffix {suffix_of(path)!r}"
        )
    columns = {"text": column, "context": context_column, "label": label_column}
    columns = {key: name for key, name in columns.items() if name is not None}
    for number, row in _full_rows(path, list(columns.values()), header):
        record = {k: _cell(path, number, k, row[name]) for k, name in columns.items()}
        yield number, record


def _cell(path, number, key, value):
    """Checks and cleans one value of a record."""
    if key == "label":
        return value
    if key == "context" and isinstance(value, str) and _TURN_END in value:
        value = [turn for turn in value.split(_TURN_END) if turn.strip()]
    is_list = key == "context" and isinstance(value, list)
    texts = value if is_list else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"{path}, line {number}: {key!r} must hold a text"
            + (" or a list of texts" if key == "context" else "")
            + f". Received: {value!r}"
        )
    texts = [re.sub(r"[\r\n]+", " ", text.strip()) for text in texts]
    if not texts or not all(texts):
        raise ValueError(
            f"{path}, line {number}: the {key} is empty. Leave the row out, or write "
            "'<unk>' in its place."
        )
    return texts if is_list else texts[0]


def has_columns(path):
    """Whether the suffix of a path is that of a table, see `read_columns`."""
    return suffix_of(path) in _ROW_READERS


def _sentences(path, texts, keep_blank):
    found = False
    for number, text in texts:
        if text or keep_blank:
            found |= bool(text)
            yield number, text
    if not found:
        raise ValueError(f"{path}: the file holds no sentence.")


def _refuse_columns(path, column, header):
    if column != "text" or not header:
        raise ValueError(
            f"{path}: a text file has no columns; `column` (`--column`) and `header` "
            f"(`--no-header`) are for {_listed(_ROW_READERS)} files. Received: "
            f"{column=}, {header=}, suffix {suffix_of(path)!r}. Leave them out, or "
            "rename the file."
        )


def _plain_texts(path):
    return ((number, line.strip()) for number, line in numbered_lines(path))


def _column_texts(path, column, header):
    for number, row in _rows(path, [column], header):
        text = "" if row is None else row[column]
        if not isinstance(text, str):
            raise ValueError(
                f"{path}, line {number}: column {column!r} must hold a text. "
                f"Received: {text!r}"
            )
        yield number, re.sub(r"[\r\n]+", " ", text.strip())


def _rows(path, columns, header):
    """Yields line numbers and rows as dicts, `None` for a blank line."""
    return _ROW_READERS[suffix_of(path)](path, columns, header)


def _full_rows(path, columns, header):
    """Yields line numbers and rows, and refuses a file without a row."""
    found = False
    for number, row in _rows(path, columns, header):
        if row is not None:
            found = True
            yield number, row
    if not found:
        raise ValueError(f"{path}: the file holds no row.")


def _csv_rows(path, columns, header):
    return _table_rows(path, _csv_records(path), columns, header, "commas")


def _tsv_rows(path, columns, header):
    return _table_rows(path, _tsv_records(path), columns, header, "tabs")


def _table_rows(path, records, columns, header, separators):
    places = names = None
    for number, fields in records:
        if not fields:
            if places is not None or not header:
                yield number, None
            continue
        if places is None:
            names = fields
            places = [
                _place(column, names if header else None, len(names), path, number)
                for column in columns
            ]
            if header:
                continue
        if len(fields) != len(names):
            first = "header names" if header else "first row has"
            raise ValueError(
                f"{path}, line {number}: the {first} {len(names)} columns. "
                f"Received: {len(fields)} fields separated by {separators}."
            )
        yield (
            number,
            {column: fields[at] for column, at in zip(columns, places, strict=True)},
        )


def _place(column, names, num_columns, path, number):
    """Finds the place of a column, given by its name or its number from 1."""
    if names is not None and column in names:
        if names.count(column) > 1:
            raise ValueError(
                f"{path}, line {number}: {names.count(column)} columns have the name "
                f"{column!r}. Give the column's number, from 1 to {num_columns}."
            )
        return names.index(column)
    is_number = isinstance(column, int) or (column.isascii() and column.isdigit())
    if is_number and 1 <= int(column) <= num_columns:
        return int(column) - 1
    if is_number or names is None:
        raise ValueError(
            f"{path}, line {number}: no column {column!r}. Give the number of the "
            f"column, from 1 to {num_columns}"
            + ("." if names else ", for a file without a header.")
        )
    raise _no_column(column, names, path, number)


def _no_column(column, names, path, number):
    nearest = difflib.get_close_matches(str(column), names, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return ValueError(
        f"{path}, line {number}: no column {column!r}. "
        f"Columns: {', '.join(names)}.{hint}"
    )


def _csv_records(path):
    records = csv.reader((line for _, line in numbered_lines(path)), strict=True)
    while True:
        number = records.line_num + 1
        try:
            fields = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {number}: not CSV, {error}. Put a field that holds a "
                'comma, a quote or a line break in quotes, each quote inside as "".'
            ) from error
        # A line of spaces is blank here too.
        yield number, fields if any(map(str.strip, fields[:1])) or fields[1:] else []


_TSV_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=\t|\Z)|([^\t\n]*)')


def _tsv_records(path):
    lines = numbered_lines(path)
    ahead = []  # Lines that were looked at and are rows of their own.
    width = None
    while True:
        number, line = ahead.pop(0) if ahead else next(lines, (0, None))
        if line is None:
            return
        if not line.strip():
            yield number, []
            continue
        fields, is_open = _tsv_fields(line)
        width = width or len(fields)
        if len(fields) != width == line.count("\t") + 1:
            fields = line.rstrip("\r\n").split("\t")
        elif is_open:
            fields = _continued(fields, line, width, lines, ahead)
        yield number, fields


def _tsv_fields(row):
    """Splits a row at the tabs outside of its quoted fields.

    Returns:
        Tuple of the list of fields, empty if a line break stands outside of them, and
        whether a field starts with a quote that no quote ends.
    """
    text = row.rstrip("\r\n")
    if '"' not in text:
        return ([] if "\n" in text else text.split("\t")), False
    fields = []
    is_open = False
    end = -1
    while end < len(text):
        match = _TSV_FIELD.match(text, end + 1)
        quoted, plain = match.groups()
        if quoted is None:
            is_open |= plain.startswith('"')
            fields.append(plain)
        else:
            fields.append(quoted.replace('""', '"'))
        end = match.end()
        if text[end : end + 1] not in ("", "\t"):
            return [], is_open
    return fields, is_open


def _continued(fields, line, width, lines, ahead):
    """Reads on to the end of a quoted field, unless its quote turns out to be text.

    That shows below: a row of its own ends no field of a row that is whole without it.
    """
    looked_at = []
    for following in itertools.islice(itertools.chain(ahead, lines), _LONGEST_FIELD):
        looked_at.append(following)
        alone, _ = _tsv_fields(following[1])
        if len(fields) == len(alone) == width and following[1].strip():
            break
        line += following[1]
        joined, _ = _tsv_fields(line)
        if len(joined) == width:
            del ahead[: len(looked_at)]
            return joined
    ahead[:] = [*looked_at, *ahead[len(looked_at) :]]
    return fields


def _jsonl_rows(path, columns, header):
    if not header:
        raise ValueError(
            f"{path}: `header` (`--no-header`) is for .csv and .tsv files. "
            "Received: header=False"
        )
    for number, line in numbered_lines(path):
        if not line.strip():
            yield number, None
            continue
        row = _json_object(path, number, line)
        for column in columns:
            if column not in row:
                raise _no_column(column, list(row), path, number)
        yield number, {column: row[column] for column in columns}


def _json_object(path, number, line):
    try:
        row = json.loads(line, object_pairs_hook=_distinct)
        if "\\ud" in line.lower():
            # Half of a pair such as "\ud83d\ude00" is no character.
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        hint = " Received: the start of an array; `jq -c '.[]'` writes its items so."
        if not line.lstrip().startswith("["):
            hint = ""
        raise ValueError(
            f"{path}, line {number}: not JSON, {error.msg} at character "
            f"{error.colno}. Each line must be one object.{hint}"
        ) from error
    except RecursionError as error:
        raise ValueError(
            f"{path}, line {number}: the JSON is nested too deeply."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}, line {number}: not JSON, {error}.") from error
    if not isinstance(row, dict):
        raise ValueError(
            f"{path}, line {number}: each line must be one JSON object. "
            f"Received: {line[:40].strip()}"
        )
    return row


def _distinct(pairs):
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in row if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return row


_ROW_READERS = {
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".json": _jsonl_rows,
}


def _listed(names):
    *first, last = names
    return f"{', '.join(first)} and {last}"
