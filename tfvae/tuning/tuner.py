"""KerasTuner's tuner and oracles for run folders."""

import contextlib
import glob
import itertools
import math
import os
import shutil
import sys

import keras
import keras_tuner
from keras_tuner.src import config

from tfvae.checks import require, require_extra, unknown
from tfvae.files import replacing, write_json
from tfvae.training import RunFolder, train
from tfvae.tuning.hypermodel import measure

_MOST_FAILURES = 3


class TooManyFailures(Exception):
    """Ends a search whose trials fail one after another."""


class RunFolderTuner(keras_tuner.Tuner):
    """Runs each trial as `tfvae.training.train` does, in a run folder of its own.

    The folder `trials/003` holds the fourth trial: what any run folder holds, beside
    `trial.json` with its values and metrics, or `error.txt` if it failed. Metrics are
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
        """Declares the space, for which no model has to be built."""
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)
        # From now on there is something to continue, whichever process does.
        self.oracle.save()

    def _get_tuner_fname(self):
        """Returns the file whose presence means that a search is to be continued."""
        return os.path.join(self.project_dir, "oracle.json")

    def save(self):
        """Does nothing: the oracle saves itself, and there is nothing else."""

    def reload(self):
        """Reads the oracle's state, unless the oracle lives in another process."""
        if self._is_worker():
            return
        try:
            self.oracle.reload()
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"{self.project_dir}: the state of the search is damaged ({error}). "
                "Restore it, or search in another folder."
            ) from error
        retry_unfinished(self.oracle)
        self.oracle.save()

    def pre_create_trial(self):
        """Stops after three failures in a row."""
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
        configuration = self.hypermodel.configuration_for(hp)
        folder = RunFolder(trial_path(self.folder, trial.trial_id))
        error = os.path.join(folder.path, "error.txt")
        if os.path.exists(error):
            os.remove(error)
        started = os.path.exists(folder.configuration)
        if not started and hp.values.get("tuner/trial_id") is not None:
            earlier = trial_path(self.folder, hp.values["tuner/trial_id"])
            started = _continue_longer(RunFolder(earlier), folder, configuration)
        train(configuration, folder.path, resume=started, verbose=self.verbose)
        model = folder.load_model()
        state = folder.load_state()
        metrics = measure(model, configuration, self.hypermodel.num_samples)
        metrics[model.monitor] = state["best"]
        value = objective.value(metrics)
        if not math.isfinite(value):
            raise ValueError(f"its objective {objective.name} is {value}")
        result = {
            "trial": int(trial.trial_id),
            "values": {n: configuration.overrides[n] for n in self.hypermodel.spaces},
            "epochs": state["epoch"],
            "objective": objective.name,
            "score": value,
            "metrics": metrics,
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
            with replacing(os.path.join(folder, "error.txt")) as beside:
                with open(beside, "w", encoding="utf-8") as file:
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
    """Returns the run folder of a trial."""
    return os.path.join(os.fspath(folder), "trials", f"{int(trial_id):03d}")


def _continue_longer(earlier, folder, configuration):
    """Copies a finished run so that it can be trained for more epochs.

    A schedule that depends on the length of training would be another one: then
    nothing is copied.

    Returns:
        Whether there is a run to resume.
    """
    if (
        configuration.scale_schedules
        or configuration.resolved_setting().decay == "cosine"
    ):
        return False
    left_out = shutil.ignore_patterns("recipe.json", "trial.json")
    shutil.copytree(earlier.path, folder.path, ignore=left_out, dirs_exist_ok=True)
    write_json({**folder.load_state(), "finished": False}, folder.state)
    # Last, since a folder with a configuration counts as started.
    configuration.save(folder.configuration)
    return True


# A failure must not stop the oracle in the middle of its bookkeeping; the tuner stops.
_ENDLESS = 10**9


def retry_unfinished(oracle):
    """Lets an oracle run unfinished and failed trials again.

    KerasTuner saves its state while a trial that has just ended still counts as
    running, so it would run that one again too. A trial is begun once `oracle.json`
    tells of it, since what the next trial is follows from there; the trial's own file
    is written before.

    Args:
        oracle: `keras_tuner.Oracle` that has read its state.
    """
    for name in set(oracle.trials) - set(oracle.start_order):
        del oracle.trials[name]
    left = {n for n, trial in oracle.trials.items() if trial.status != "COMPLETED"}
    # Its end is next.
    oracle._retry_queue = sorted(left, key=int, reverse=True)
    ended = [n for n in oracle.end_order if n not in left]
    ended += [n for n in oracle.start_order if n not in left and n not in ended]
    oracle.end_order = ended
    oracle._run_times.update(dict.fromkeys(left, 0))
    for name in left:
        # What it had reported would count as reported by its next run.
        trial = oracle.trials[name]
        trial.metrics = type(trial.metrics)()


class _WholeFiles:
    """An oracle's files, each written whole or not at all, in any folder."""

    def reload(self):
        """Reads the state of the search."""
        # KerasTuner takes brackets in the folder's name for a pattern.
        folder = glob.escape(self._project_dir)
        for path in glob.glob(os.path.join(folder, "trial_*", "trial.json")):
            trial = keras_tuner.engine.trial.Trial.load(path)
            self.trials[trial.trial_id] = trial
        super().reload()

    def save(self):
        """Saves the state of the search."""
        write_json(self.get_state(), self._get_oracle_fname())

    def _save_trial(self, trial):
        folder = self._get_trial_dir(trial.trial_id)
        write_json(trial.get_state(), os.path.join(folder, "trial.json"))


class RandomOracle(_WholeFiles, keras_tuner.oracles.RandomSearchOracle):
    """KerasTuner's random search, safe against a kill."""


class BayesianOracle(_WholeFiles, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Bayesian optimization, safe against a kill."""


class HyperbandOracle(_WholeFiles, keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's Hyperband, safe against a kill."""


class GridOracle(_WholeFiles, keras_tuner.Oracle):
    """Tries all combinations in order, the last option changing fastest.

    KerasTuner's own keeps its place in memory alone, so that a search which is
    continued would end at once.
    """

    def populate_space(self, trial_id):
        """Returns the values of a trial by its number."""
        space = self.get_space().space
        combinations = itertools.product(*(hp.values for hp in space))
        values = next(itertools.islice(combinations, int(trial_id), None), None)
        if values is None:
            return {"status": "STOPPED"}
        names = [hp.name for hp in space]
        return {"status": "RUNNING", "values": dict(zip(names, values, strict=True))}


def make_oracle(name, objective, *, trials=None, max_epochs=None, seed=0):
    """Creates an oracle by name.

    Args:
        name: Str, one of `TUNERS`.
        objective: `keras_tuner.Objective`.
        trials: Positive int, the most trials; `None` for 10, for the whole grid or for
            one iteration of Hyperband.
        max_epochs: Positive int, epochs of Hyperband's longest trials.
        seed: Int.

    Raises:
        ValueError: If there is no such oracle, `trials` is not positive, or Hyperband
            has no epochs.
    """
    if name not in TUNERS:
        raise ValueError(unknown("tuner", name, TUNERS))
    require("trials", trials, trials is None or trials >= 1, "positive")
    options = {
        "objective": objective,
        # Zero would stand for a random seed.
        "seed": seed + 1,
        "max_consecutive_failed_trials": _ENDLESS,
    }
    if name == "hyperband":
        if max_epochs is None:
            raise ValueError(
                "The tuner 'hyperband' divides epochs among trials: give the epochs of "
                "the longest by --epochs. Received: epochs=None"
            )
        oracle = TUNERS[name](max_epochs=max_epochs, **options)
        oracle.max_trials = trials
    else:
        default = None if name == "grid" else 10
        oracle = TUNERS[name](max_trials=trials or default, **options)
    # The tuner reports trials itself.
    oracle.verbose = 0
    return oracle


def check_installed(name):
    """Checks that the libraries of a tuner are installed.

    Raises:
        ValueError: If they are not; the message names the extra.
    """
    if name == "bayesian":
        modules = "scipy.optimize", "sklearn.gaussian_process"
        require_extra("bayesian", "The tuner 'bayesian'", *modules)


TUNERS = {
    "random": RandomOracle,
    "bayesian": BayesianOracle,
    "hyperband": HyperbandOracle,
    "grid": GridOracle,
}
