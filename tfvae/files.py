"""Files that appear whole or not at all."""

import contextlib
import hashlib
import json
import os
import shutil


@contextlib.contextmanager
def replacing(path):
    """Lets a file be written beside its path and moves it there at the end.

    Whatever goes wrong, a full disk or an interruption, what was at the path stays,
    and nothing is left beside it.

    Args:
        path: Path of the file.

    Yields:
        Str, the path to write to; it ends like `path`.
    """
    beside = partial(path)
    try:
        yield beside
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(beside)
        raise


def partial(path):
    """Returns the path that `replacing` writes to, which a kill may leave behind."""
    stem, suffix = os.path.splitext(os.fspath(path))
    return f"{stem}.partial{suffix}"


def is_fresh(folder, first):
    """Tells whether a folder holds nothing, or what a kill left of its first file.

    Args:
        folder: Path of a folder.
        first: Path of the file that is written into it before all others, by
            `replacing`.

    Returns:
        Bool.
    """
    return set(os.listdir(folder)) <= {os.path.basename(partial(first))}


class Transaction:
    """Replaces several files of a folder at one instant.

    The files are written into a folder beside them, whose renaming is the instant; then
    they are moved to their places. A process that ends before the instant leaves the
    files as they were; one that ends after it has `recover` move the others, which a
    reader of the folder calls first.

    Args:
        folder: Path of the folder.
    """

    def __init__(self, folder):
        self._folder = os.fspath(folder)
        self._partial = os.path.join(self._folder, "commit.partial")
        self._whole = os.path.join(self._folder, "commit")

    def commit(self, writers):
        """Writes files and puts them into their places.

        Args:
            writers: Dict from a file's name to a function that writes it to a path.

        Raises:
            OSError: If a file cannot be written; the folder is as it was.
        """
        self.recover()
        os.mkdir(self._partial)
        try:
            for name, write in writers.items():
                write(os.path.join(self._partial, name))
            os.rename(self._partial, self._whole)
        except BaseException:
            shutil.rmtree(self._partial, ignore_errors=True)
            raise
        self.recover()

    def recover(self):
        """Ends what a process that was killed had begun: all of it, or nothing."""
        shutil.rmtree(self._partial, ignore_errors=True)
        if not os.path.isdir(self._whole):
            return
        for name in os.listdir(self._whole):
            whole = os.path.join(self._whole, name)
            os.replace(whole, os.path.join(self._folder, name))
        os.rmdir(self._whole)


def write_json(content, path):
    """Writes JSON that people can read, the whole file or nothing."""
    with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def read_json(path):
    """Reads a JSON object, with errors of one line.

    Args:
        path: Path of the file.

    Returns:
        Dict.

    Raises:
        ValueError: If the file is no JSON object.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: damaged or cut short, no JSON ({error}). Restore the file."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: must hold a JSON object. Restore the file. Received: "
            f"{str(content)[:40]!r}"
        )
    return content


def digest(path):
    """Returns what tells a file's content: its size in bytes and its SHA-256.

    Args:
        path: Path of the file.

    Returns:
        Dict of `"bytes"`, int, and `"sha256"`, str.
    """
    with open(path, "rb") as file:
        content = hashlib.sha256()
        while block := file.read(2**20):
            content.update(block)
    return {"bytes": os.path.getsize(path), "sha256": content.hexdigest()}
