"""What a process that is killed at one of its writes leaves behind."""

import hashlib
import os
import shutil
import sys

_HOOK = {"watch": None}


def _audit(event, args):
    """Calls what watches before each write to the file system."""
    # At the end of the process the module's names are gone before the hook is.
    if _HOOK is None or _HOOK["watch"] is None:
        return
    writes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
    if event == "open" and isinstance(args[1], str):
        writes = any(mode in args[1] for mode in "wax+")
    if writes and isinstance(args[0], (str, os.PathLike)):
        _HOOK["watch"](event, os.fspath(args[0]))


# A hook cannot be removed: it does nothing unless something watches.
sys.addaudithook(_audit)


class Snapshots:
    """Copies a folder before each write in it: what a kill there would leave.

    Args:
        folder: Path of the folder.
        copies: Path of a folder for the copies, which is made.
        counts: Function of a path inside the folder that tells whether to copy before
            a write to it. TensorBoard's logs never count.
    """

    def __init__(self, folder, copies, counts=lambda path: True):
        self.folder, self.copies, self.counts = str(folder), copies, counts
        self.events = []
        copies.mkdir()

    def __enter__(self):
        _HOOK["watch"] = self._copy
        return self

    def __exit__(self, *error):
        _HOOK["watch"] = None

    @property
    def paths(self):
        """Paths of the copies, in order."""
        return [self.copies / f"{index:03}" for index in range(len(self.events))]

    def _copy(self, event, path):
        place = os.path.relpath(path, self.folder)
        inside = path.startswith(self.folder + os.sep) and "logs" not in path
        if not inside or not os.path.isdir(self.folder) or not self.counts(place):
            return
        _HOOK["watch"] = None
        shutil.copytree(
            self.folder,
            self.copies / f"{len(self.events):03}",
            ignore=shutil.ignore_patterns("logs"),
        )
        self.events.append((event, place))
        _HOOK["watch"] = self._copy


def distinct(copies, settle=lambda path: None):
    """Leaves out the copies that hold what an earlier one does.

    What follows from a folder depends on its content alone, so that one of those that
    are alike stands for all.

    Args:
        copies: List of paths.
        settle: Function of a path, the first thing that a process does which goes on
            with such a folder.

    Returns:
        List of paths.
    """
    found = {}
    for copy in copies:
        settle(copy)
        found.setdefault(_content(copy), copy)
    return list(found.values())


def _content(folder):
    content = hashlib.sha256()
    for place, folders, names in sorted(os.walk(folder)):
        names_here = os.path.relpath(place, folder), sorted(folders)
        content.update(repr(names_here).encode())
        for name in sorted(names):
            with open(os.path.join(place, name), "rb") as file:
                content.update(repr((name, file.read())).encode())
    return content.digest()
