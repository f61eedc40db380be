"""Sentences written out one by one, so that any number of them fits in memory."""

import contextlib
import json
import os
import sys


def write_texts(texts, num, *, out=None, json_path=None, fields=None):
    """Writes sentences as they come: one a line, as JSON, or both.

    Args:
        texts: Iterable of str.
        num: Int, how many there will be, for the progress shown on a terminal.
        out: Path of the lines, or `None` for standard output.
        json_path: Path of a JSON object with the list `"texts"`, `"-"` for standard
            output without the lines, or `None`.
        fields: Dict of further fields of the object.

    Raises:
        OSError: If a file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        lines = objects = None
        if out is not None:
            lines = stack.enter_context(open(out, "w", encoding="utf-8"))
        elif json_path != "-":
            lines = sys.stdout
        if json_path == "-":
            objects = sys.stdout
        elif json_path is not None:
            objects = stack.enter_context(open(json_path, "w", encoding="utf-8"))
        try:
            _write(_watched(texts, num, out), lines, objects, fields or {})
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read has enough, as `head` does; a second failure, when Python
            # flushes at its end, would be reported.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(texts, lines, objects, fields):
    if objects is not None:
        for name, value in fields.items():
            separator = "{" if name == next(iter(fields)) else ","
            objects.write(f"{separator}\n  {json.dumps(name)}: {json.dumps(value)}")
        objects.write(("," if fields else "{") + '\n  "texts": [')
    first = True
    for text in texts:
        if lines is not None:
            lines.write(text + "\n")
        if objects is not None:
            objects.write(("" if first else ",") + "\n    " + json.dumps(text))
        first = False
    if objects is not None:
        objects.write("\n  ]\n}\n")


def _watched(texts, num, out):
    """Shows progress on standard error where lines go to a file."""
    if out is None or not sys.stderr.isatty():
        yield from texts
        return
    import keras

    bar = keras.utils.Progbar(num, unit_name="sentence")
    for number, text in enumerate(texts, 1):
        yield text
        if number % 100 == 0 or number == num:
            bar.update(number)
