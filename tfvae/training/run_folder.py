"""The folder that a training run lives in, and the files that the run depends on."""

import json
import os
import shutil
import zipfile

import keras

from tfvae.files import Transaction, digest, is_fresh, read_json
from tfvae.training.run_configuration import RunConfiguration

# The counters of a run before its first epoch: metric and epoch of the best model,
# epochs without a better one, digests of the files that it depends on by role.
NEW_STATE = {
    "epoch": 0,
    "best": None,
    "best_epoch": None,
    "waited": 0,
    "waited_for_decay": 0,
    "stopped": False,
    "finished": False,
    "texts": {},
}
TEXTS = ("train", "valid")


class RunFolder:
    """Names the files of a run.

    Attributes:
        path: Str, the folder.
        configuration: Path of the `RunConfiguration`, all that repeating the run needs.
        model: Path of the best model by the validation metric.
        last: Path of the model and optimizer after the last whole epoch.
        state: Path of the counters that resuming needs, and of what tells the files.
        history: Path of the CSV with one row per epoch.
        logs: Path of the TensorBoard logs.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.configuration = self._file("recipe.json")
        self.model = self._file("model.keras")
        self.last = self._file("last.keras")
        self.state = self._file("state.json")
        self._transaction = Transaction(self.path)
        self.history = self._file("history.csv")
        self.logs = self._file("logs")

    def _file(self, name):
        return os.path.join(self.path, name)

    def create(self, configuration):
        """Creates the folder and writes the configuration.

        Raises:
            ValueError: If the folder exists and is not empty; nothing is written.
        """
        if os.path.exists(self.path) and not os.path.isdir(self.path):
            raise ValueError(f"{self.path}: a folder is needed. Received: a file.")
        if os.path.isdir(self.path) and not is_fresh(self.path, self.configuration):
            what = (
                "holds a run already. Choose another folder, or pass --resume to "
                "continue that run."
                if os.path.exists(self.configuration)
                else "is not empty. Choose another folder."
            )
            raise ValueError(f"{self.path}: the output folder {what}")
        os.makedirs(self.path, exist_ok=True)
        configuration.save(self.configuration)

    def load_configuration(self):
        """Reads the configuration.

        Raises:
            FileNotFoundError: If the folder holds no run.
        """
        if not os.path.exists(self.configuration):
            raise FileNotFoundError(
                f"{self.path}: no run here (there is no recipe.json). Give the --out "
                "folder of a `tfvae train`."
            )
        return RunConfiguration.load(self.configuration)

    def load_model(self, custom_objects=None):
        """Loads the best model.

        Args:
            custom_objects: Dict of the caller's own classes, see `load_model`.

        Raises:
            FileNotFoundError: If the run has not finished an epoch.
            ValueError: If the file is damaged.
        """
        self.load_configuration()
        self.recover()
        return load_model(self.model, custom_objects)

    def load_state(self):
        """Reads the counters for resuming.

        Returns:
            Dict by the keys of `NEW_STATE`, or `None` before the first whole epoch.

        Raises:
            ValueError: If the file is missing though models were saved, or is damaged.
        """
        self.recover()
        if not os.path.exists(self.state):
            if os.path.exists(self.last) or os.path.exists(self.model):
                raise ValueError(
                    f"{self.state}: no such file, although the run has trained models. "
                    "Restore it, or train in another folder."
                )
            return None
        state = read_json(self.state)
        # Runs of older versions do not tell their texts.
        state.setdefault("texts", {})
        for name, example in NEW_STATE.items():
            if name not in state or not _is_like(state[name], example):
                raise ValueError(
                    f"{self.state}: {name!r} is missing or not as it was written. "
                    f"Restore the file. Received: {state.get(name)!r}"
                )
        return state

    def load_last(self, state):
        """Loads the model after the last whole epoch.

        Args:
            state: Dict of `load_state`.

        Raises:
            ValueError: If the file is missing or damaged.
        """
        if not os.path.exists(self.last):
            raise ValueError(
                f"{self.last}: no such file, although {state['epoch']} epochs were "
                "trained. Restore it, or train in another folder."
            )
        return load_model(self.last)

    def save_epoch(self, model, state, is_best):
        """Saves the last model, the best one and the counters, all at one instant.

        Args:
            model: Model.
            state: Dict like `NEW_STATE`.
            is_best: Whether the model is also the best one so far.

        Raises:
            OSError: If there is no room; what was there stays.
        """

        def copy(path):
            shutil.copyfile(os.path.join(os.path.dirname(path), "last.keras"), path)

        writers = {"last.keras": model.save}
        if is_best:
            writers["model.keras"] = copy
        self._transaction.commit({**writers, "state.json": _writer(state)})

    def save_state(self, state):
        """Replaces the counters."""
        self._transaction.commit({"state.json": _writer(state)})

    def recover(self):
        """Ends what a process that was killed had begun to save."""
        self._transaction.recover()


def _writer(content):
    """Returns a function that writes JSON to a path."""

    def write(path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)

    return write


def _is_like(value, example):
    """Tells whether a value of the state has the type that it is written with."""
    if example is None:
        return value is None or isinstance(value, (int, float, str))
    if isinstance(example, bool):
        return isinstance(value, bool)
    if isinstance(example, int):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, type(example))


def load_model(path, custom_objects=None):
    """Loads a trained model, with errors of one line.

    Args:
        path: Path of a run folder, whose best model is loaded, or of a `.keras` file.
        custom_objects: Dict of the caller's own classes and functions by name, where
            they are not registered with Keras, or `None`. Defaults to `None`.

    Returns:
        A compiled `VAE` or `LanguageModel`.

    Raises:
        FileNotFoundError: If there is no such file, or no run in the folder.
        ValueError: If the file is truncated or no Keras model.
    """
    if os.path.isdir(path):
        return RunFolder(path).load_model(custom_objects)
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{path}: no model yet. A run has one after its first whole epoch; "
            "continue it with --resume."
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path}: the file is damaged or cut short. Restore it, or train again."
        )
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        damaged = archive.testzip()
    if damaged or not {"config.json", "model.weights.h5"} <= names:
        raise ValueError(
            f"{path}: the file is damaged ({damaged or 'parts are missing'}). "
            "Restore it, or train again."
        )
    return keras.models.load_model(path, custom_objects)


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
