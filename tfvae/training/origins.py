"""The files that training depends on, known again by their contents."""

import os

from tfvae.files import digest

TEXTS = ("train", "valid")


def files_of(configuration):
    """Returns the files that a run reads, those that it only begins with too.

    Args:
        configuration: `RunConfiguration`.

    Returns:
        Dict of str, from a role (`"train"`, `"valid"`, `"word_vectors"`,
        `"start_from"`) to a path.
    """
    paths = {role: getattr(configuration, role) for role in (*TEXTS, "word_vectors")}
    start = configuration.start_from
    is_run = start is not None and os.path.isdir(start)
    paths["start_from"] = os.path.join(start, "model.keras") if is_run else start
    return {role: path for role, path in paths.items() if path is not None}


def contents_of(paths):
    """Returns what tells the contents of files, a dict by role as of `digest`.

    Args:
        paths: Dict of `files_of`.
    """
    return {role: digest(path) for role, path in paths.items()}


def check_contents(paths, contents, known):
    """Refuses to go on with other files than before.

    Args:
        paths: Dict of `files_of`.
        contents: Dict of `contents_of`, as the files are now.
        known: Such a dict, as they were; a role that it lacks is not checked.

    Raises:
        ValueError: If a file has another content.
    """
    for role, path in paths.items():
        if role in known and contents[role] != known[role]:
            raise ValueError(
                f"{path}: the file has changed since training began "
                f"({known[role]['bytes']} bytes then). Restore it to go on, or choose "
                "another folder."
            )
