"""KerasTuner's oracles, which choose the values of trials, and one for grids."""

import importlib
import itertools

import keras_tuner

from tfvae.presets.registry import unknown

# A failure must not stop the oracle in the middle of its bookkeeping; the tuner stops.
_ENDLESS = 10**9


class _TriesAgain:
    """Runs unfinished and failed trials again when a search is continued.

    KerasTuner saves its state while a trial that has just ended still counts as
    running, so it would run that one again too.
    """

    def reload(self):
        """Reads the state of the search from its folder."""
        super().reload()
        left = {n for n, trial in self.trials.items() if trial.status != "COMPLETED"}
        # Its end is next.
        self._retry_queue = sorted(left, key=int, reverse=True)
        self.end_order = [n for n in self.end_order if n not in left]
        self._run_times.update(dict.fromkeys(left, 0))


class RandomOracle(_TriesAgain, keras_tuner.oracles.RandomSearchOracle):
    """Chooses at random."""


class HyperbandOracle(_TriesAgain, keras_tuner.oracles.HyperbandOracle):
    """Trains many trials for a few epochs, and the better ones for longer."""


class BayesianOracle(_TriesAgain, keras_tuner.oracles.BayesianOptimizationOracle):
    """Chooses what a Gaussian process expects to be good."""


class GridOracle(_TriesAgain, keras_tuner.Oracle):
    """Goes through all combinations in order, the last option changing fastest.

    KerasTuner's own keeps its place in memory alone, so that a search which is
    continued would end at once.
    """

    def populate_space(self, trial_id):
        """Gives the values of a trial by its number."""
        space = self.get_space().space
        combinations = itertools.product(*(hp.values for hp in space))
        for values in itertools.islice(combinations, int(trial_id), None):
            names = [hp.name for hp in space]
            named = dict(zip(names, values, strict=True))
            return {"status": "RUNNING", "values": named}
        return {"status": "STOPPED"}


def make_oracle(name, objective, *, trials=None, max_epochs=None, seed=0):
    """Makes an oracle by name.

    Args:
        name: Str, one of `TUNERS`.
        objective: `keras_tuner.Objective`.
        trials: Positive int, the most trials; `None` for 10, for the whole grid or for
            one iteration of Hyperband.
        max_epochs: Positive int, epochs of Hyperband's longest trials.
        seed: Int.

    Raises:
        ValueError: If there is no such oracle, or Hyperband has no epochs.
        ImportError: If the extra `bayesian` is not installed.
    """
    if name not in TUNERS:
        raise ValueError(unknown("tuner", name, TUNERS))
    if trials is not None and trials < 1:
        raise ValueError(f"`trials` must be positive. Received: trials={trials}")
    options = {
        "objective": objective,
        # Zero would stand for a random seed.
        "seed": seed + 1,
        "max_consecutive_failed_trials": _ENDLESS,
    }
    if name != "hyperband":
        default = None if name == "grid" else 10
        return TUNERS[name](max_trials=trials or default, **options)
    if max_epochs is None:
        raise ValueError(
            "The tuner 'hyperband' divides epochs among trials: give the epochs of the "
            "longest by --epochs. Received: epochs=None"
        )
    oracle = HyperbandOracle(max_epochs=max_epochs, **options)
    oracle.max_trials = trials
    return oracle


def check_installed(name):
    """Refuses a tuner whose libraries are missing.

    Raises:
        ValueError: If they are; the message names the extra.
    """
    if name == "bayesian":
        try:
            importlib.import_module("scipy.optimize")
            importlib.import_module("sklearn.gaussian_process")
        except ImportError as error:
            raise ValueError(
                "The tuner 'bayesian' needs scikit-learn: install `tfvae[bayesian]`. "
                f"Received: {error}"
            ) from error


TUNERS = {
    "random": RandomOracle,
    "bayesian": BayesianOracle,
    "hyperband": HyperbandOracle,
    "grid": GridOracle,
}
