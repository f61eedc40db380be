"""The lines of a text file, packed or piped, with a word on what is no text."""

import contextlib
import gzip
import os
import shlex
import sys
import zlib

# What a file's first bytes tell of its content, and the command that converts it.
_CONTENTS = (
    (b"\x1f\x8b", "gzip data", "gunzip -c {path} > NEW"),
    (b"BZh91AY&SY", "bzip2 data", "bunzip2 -c {path} > NEW"),
    (b"\xfd7zXZ", "xz data", "unxz -c {path} > NEW"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "zstd -dc {path} > NEW"),
    (b"PK\x03\x04", "a zip archive (or an Excel file)", "unzip -p {path} > NEW"),
    (
        b"PAR1",
        "Parquet",
        "python -c 'import sys, pandas; pandas.read_parquet(sys.argv[1])"
        '.to_json(sys.argv[2], orient="records", lines=True)\' {path} NEW.jsonl',
    ),
    (b"\xff\xfe\0\0", "UTF-32", "iconv -f UTF-32 -t UTF-8 {path} > NEW"),
    (b"\0\0\xfe\xff", "UTF-32", "iconv -f UTF-32 -t UTF-8 {path} > NEW"),
    (b"\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8 {path} > NEW"),
    (b"\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8 {path} > NEW"),
)
_STDIN = "-"


def check_file(path):
    """Checks that a path can be read from.

    Args:
        path: Path of a file or a pipe, or `"-"` for standard input.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder.
    """
    if path == _STDIN:
        return
    if os.path.isdir(path):
        raise ValueError(f"{path}: a file is needed. Received: a folder.")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file. Check the path.")


def is_stream(path):
    """Whether a path can be read only once: standard input, a pipe or a device.

    Args:
        path: Path of a file, or `"-"` for standard input.

    Returns:
        Bool.
    """
    if path == _STDIN:
        return True
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def suffix_of(path):
    """Returns a path's suffix in lower case, that below `.gz` of a packed file."""
    root, suffix = os.path.splitext(os.fspath(path).lower())
    return os.path.splitext(root)[1] if suffix == ".gz" else suffix


def numbered_lines(path):
    """Reads the lines of a UTF-8 file, unpacking it if its name ends in `.gz`.

    Args:
        path: Path of a file or a pipe, or `"-"` for standard input.

    Yields:
        Pairs of the line's number, counted from 1, and the line with its end.

    Raises:
        ValueError: Naming the file and the line, if the content is not UTF-8.
    """
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    _refuse_other_content(path, line)
                    line = line.removeprefix(b"\xef\xbb\xbf")
                yield number, _decoded(path, number, line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path}, line {number + 1}: not gzip data, or damaged ({error}). Pack the "
            "text again, or take `.gz` from the name of a file that is not packed."
        ) from error


def count_lines(path):
    """Counts the lines of a file, blank ones too.

    Args:
        path: Path of a file that `numbered_lines` has read without an error.

    Returns:
        Int.
    """
    with _opened(path) as file:
        return sum(1 for _ in file)


def _opened(path):
    if path == _STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    open_file = gzip.open if os.fspath(path).lower().endswith(".gz") else open
    return open_file(path, "rb")


def _refuse_other_content(path, line):
    for first, what, command in _CONTENTS:
        if line.startswith(first):
            raise _conversion(path, what, command)
    for order, zeros in (("LE", line[1:4:2]), ("BE", line[0:4:2])):
        # Latin letters without a mark in front.
        if zeros == b"\0\0" and line[:4].count(b"\0") == 2:
            command = f"iconv -f UTF-16{order} -t UTF-8 {{path}} > NEW"
            raise _conversion(path, "UTF-16", command)
    if b"\r" in line.rstrip(b"\r") and not line.endswith(b"\n"):
        command = "tr '\\r' '\\n' < {path} > NEW"
        raise ValueError(
            f"{path}, line 1: the line ends are those of old Macs, so that the whole "
            f"file is one line. Convert it: {_filled(command, path)}"
        )


def _conversion(path, what, command):
    return ValueError(
        f"{path}, line 1: not UTF-8 text but {what}. "
        f"Convert it: {_filled(command, path)}"
    )


def _filled(command, path):
    return command.replace("{path}", shlex.quote(os.fspath(path)))


def _decoded(path, number, line):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        code = line[error.start]
        letter = bytes([code]).decode("cp1252", "replace")
        command = _filled("iconv -f WINDOWS-1252 -t UTF-8 {path} > NEW", path)
        raise ValueError(
            f"{path}, line {number}: not UTF-8 at byte {error.start + 1} of the line "
            f"(0x{code:02x}, in Latin-1 {letter!r}). Convert the file; from Latin-1: "
            f"{command}"
        ) from error
