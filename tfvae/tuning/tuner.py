"""A KerasTuner tuner whose trials are run folders."""

import contextlib
import json
import math
import os
import shutil
import sys

import keras
import keras_tuner
from keras_tuner.src import config

from tfvae.training import RunFolder, train
from tfvae.tuning.hypermodel import measure

_MOST_FAILURES = 3


class TooManyFailures(Exception):
    """Ends a search whose trials fail one after the other."""


class RunFolderTuner(keras_tuner.Tuner):
    """Runs each trial as `tfvae.training.train` does, in a run folder of its own.

    The folder `trials/003` holds the fourth trial: what any run folder holds, beside
    `trial.json` with its values and figures, or `error.txt` if it failed. Figures are
    those of the best epoch on the validation text. A trial that was interrupted is
    continued after its last whole epoch.

    Args:
        oracle: `keras_tuner.Oracle`.
        hypermodel: `TextHyperModel`.
        folder: Path of the search.
        verbose: As in `keras.Model.fit`.
        report: Callable of the dict in `trial.json` at the end of each trial, or
            `None`.
    """

    def __init__(self, oracle, hypermodel, folder, *, verbose=0, report=None):
        super().__init__(
            oracle=oracle,
            hypermodel=hypermodel,
            directory=os.fspath(folder),
            project_name="tuner",
        )
        self.folder = os.fspath(folder)
        self.verbose = verbose
        self.report = report
        self.num_failures = 0

    def _populate_initial_space(self):
        """Declares the space; no model need be built to learn it."""
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)
        # From now on there is something to continue, whichever process does.
        self.oracle.save()

    def _get_tuner_fname(self):
        """Names the file whose presence means that a search is to be continued."""
        return os.path.join(self.project_dir, "oracle.json")

    def save(self):
        """Does nothing: the oracle saves itself, and there is nothing else."""

    def reload(self):
        """Reads the oracle's state, unless the oracle lives in another process."""
        if not self._is_worker():
            self.oracle.reload()

    def pre_create_trial(self):
        """Stops after a number of failures in a row."""
        if self.num_failures >= _MOST_FAILURES:
            raise TooManyFailures

    def run_trial(self, trial):
        """Trains and measures one trial.

        Returns:
            Dict of the objective.

        Raises:
            ValueError: If the objective is not finite.
        """
        keras.backend.clear_session()
        hp, objective = trial.hyperparameters, self.hypermodel.objective
        recipe = self.hypermodel.recipe_for(hp)
        folder = RunFolder(trial_path(self.folder, trial.trial_id))
        error = os.path.join(folder.path, "error.txt")
        if os.path.exists(error):
            os.remove(error)
        started = os.path.exists(folder.recipe)
        if not started and hp.values.get("tuner/trial_id") is not None:
            earlier = trial_path(self.folder, hp.values["tuner/trial_id"])
            started = _continue_longer(RunFolder(earlier), folder, recipe)
        train(recipe, folder.path, resume=started, verbose=self.verbose)
        model = folder.load_model()
        state = folder.load_state()
        figures = measure(model, recipe, self.hypermodel.num_samples)
        figures[model.monitor] = state["best"]
        value = objective.value(figures)
        if not math.isfinite(value):
            raise ValueError(f"its objective {objective.name} is {value}")
        result = {
            "trial": int(trial.trial_id),
            "values": {n: recipe.overrides[n] for n in self.hypermodel.spaces},
            "epochs": state["epoch"],
            "objective": objective.name,
            "score": value,
            "figures": figures,
        }
        write_json(result, os.path.join(folder.path, "trial.json"))
        if self.report is not None:
            self.report(result)
        return {objective.name: value}

    def search(self):
        """Runs trials until the search ends, or as many fail in a row."""
        with _no_tracebacks(), contextlib.suppress(TooManyFailures):
            super().search()

    def on_trial_end(self, trial):
        """Keeps the error of a failed trial, which KerasTuner would only count."""
        failed = trial.status != "COMPLETED"
        self.num_failures = self.num_failures + 1 if failed else 0
        if failed:
            folder = trial_path(self.folder, trial.trial_id)
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "error.txt"), "w", encoding="utf-8") as file:
                file.write(trial.message or "")
            print(f"trial {int(trial.trial_id)} failed", file=sys.stderr, flush=True)
        super().on_trial_end(trial)


@contextlib.contextmanager
def _no_tracebacks():
    """Keeps KerasTuner from printing what goes into `error.txt`."""
    before, config.DEBUG = config.DEBUG, False
    try:
        yield
    finally:
        config.DEBUG = before


def trial_path(folder, trial_id):
    """Gives the run folder of a trial."""
    return os.path.join(os.fspath(folder), "trials", f"{int(trial_id):03d}")


def write_json(content, path):
    """Writes JSON beside its path and moves it there."""
    beside = f"{path}.{os.getpid()}.partial"
    with open(beside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    os.replace(beside, path)


def _continue_longer(earlier, folder, recipe):
    """Copies a finished run to be trained on for more epochs.

    A schedule that depends on the length of training would be another one: then
    nothing is copied.

    Returns:
        Whether there is a run to resume.
    """
    if recipe.scale_schedules or recipe.resolved_setting().decay == "cosine":
        return False
    left_out = shutil.ignore_patterns("recipe.json", "trial.json")
    shutil.copytree(earlier.path, folder.path, ignore=left_out, dirs_exist_ok=True)
    write_json({**folder.load_state(), "finished": False}, folder.state)
    # Last, since a folder with a recipe counts as started.
    recipe.save(folder.recipe)
    return True
