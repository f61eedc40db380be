"""The folder that a training run lives in."""

import json
import os
import zipfile

import keras

from tfvae.training.run_configuration import RunConfiguration


class RunFolder:
    """Names the files of a run.

    Attributes:
        path: Str, the folder.
        configuration: Path of the `RunConfiguration`, all that repeating the run needs.
        model: Path of the best model by the validation metric.
        last: Path of the model and optimizer after the last whole epoch.
        state: Path of the counters that resuming needs.
        history: Path of the CSV with one row per epoch.
        logs: Path of the TensorBoard logs.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.configuration = self._file("recipe.json")
        self.model = self._file("model.keras")
        self.last = self._file("last.keras")
        self.state = self._file("state.json")
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
        if os.path.isdir(self.path) and os.listdir(self.path):
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

    def load_model(self):
        """Loads the best model.

        Raises:
            FileNotFoundError: If the run has not finished an epoch.
            ValueError: If the file is damaged.
        """
        self.load_configuration()
        return load_model(self.model)

    def load_state(self):
        """Reads the counters for resuming; `None` before the first whole epoch."""
        if not os.path.exists(self.state):
            return None
        with open(self.state, encoding="utf-8") as file:
            return json.load(file)


def load_model(path):
    """Loads a trained model, with errors of one line.

    Args:
        path: Path of a run folder, whose best model is loaded, or of a `.keras` file.

    Returns:
        A compiled `VAE` or `LanguageModel`.

    Raises:
        FileNotFoundError: If there is no such file, or no run in the folder.
        ValueError: If the file is truncated or no Keras model.
    """
    if os.path.isdir(path):
        return RunFolder(path).load_model()
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
    return keras.models.load_model(path)


def save_model(model, path):
    """Writes a model beside its path and moves it there, so that no half file stays."""
    stem, suffix = os.path.splitext(path)
    beside = f"{stem}.partial{suffix}"
    model.save(beside)
    os.replace(beside, path)
