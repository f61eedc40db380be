"""Searches that live in a folder and can be continued."""

import dataclasses
import json
import os

import keras_tuner

from tfvae.training import Recipe
from tfvae.tuning.hypermodel import TextHyperModel, validation_of
from tfvae.tuning.oracles import check_installed, make_oracle
from tfvae.tuning.results import read_errors, read_results, write_table
from tfvae.tuning.tuner import RunFolderTuner, write_json
from tfvae.tuning.workers import run_workers


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a search was asked to do.

    Attributes:
        recipe: `Recipe` of every trial, with a validation text.
        search: Tuple of str as in `parse_search`; empty for the preset's weights.
        tuner: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`.
        objective: Str as in `Objective.parse`, or `None` for what training watches:
            `val_nelbo` where it is defined.
        trials: Positive int, the most trials, or `None` as in `make_oracle`.
        num_samples: Positive int, posterior samples a sentence of the figures.

    Raises:
        ValueError: If anything is refused that needs no data.
    """

    recipe: Recipe
    search: tuple = ()
    tuner: str = "random"
    objective: str | None = None
    trials: int | None = None
    num_samples: int = 10

    def __post_init__(self):
        """Checks all that needs no data."""
        check_installed(self.tuner)
        self.hypermodel()
        self._oracle()

    def hypermodel(self):
        """Makes the hypermodel."""
        return TextHyperModel(
            self.recipe,
            self.search,
            self.objective or "val_nelbo",
            num_samples=self.num_samples,
            grid=self.tuner == "grid",
        )

    def make_tuner(self, folder, *, verbose=0, report=None):
        """Makes the tuner, which continues what the folder holds."""
        tuner = RunFolderTuner(
            self._oracle(),
            self.hypermodel(),
            folder,
            verbose=verbose,
            report=report,
        )
        if hasattr(tuner.oracle, "verbose"):
            tuner.oracle.verbose = 0
        return tuner

    def save(self, path):
        """Writes the search as JSON."""
        write_json(dataclasses.asdict(self), path)

    @classmethod
    def load(cls, path):
        """Reads a search written by `save`."""
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        recipe = Recipe(**fields.pop("recipe"))
        return cls(recipe, tuple(fields.pop("search")), **fields)

    def _oracle(self):
        objective = self.hypermodel().objective.for_tuner()
        return make_oracle(
            self.tuner,
            objective,
            trials=self.trials,
            max_epochs=self.recipe.epochs,
            seed=self.recipe.seed,
        )


def tune(sweep, out, *, workers=0, verbose=0, report=None):
    """Searches, each trial a run folder, and writes a table of all trials.

    The same call again continues a search that was interrupted; finished trials are
    kept, failed ones are tried again, and more `trials` may be asked for.

    Args:
        sweep: `Sweep`.
        out: Path of the search's folder. It gets `sweep.json`, `trials/`, `tuner/`
            (KerasTuner's state) and `table.csv`.
        workers: Int, processes that run trials side by side; `0` for none beside this
            one.
        verbose: As in `keras.Model.fit`, for trials of this process.
        report: Callable of the dict of a trial at its end, or `None`.

    Returns:
        List of dicts as of `read_results`, one a finished trial.

    Raises:
        ValueError: If the folder holds another search, the model does not have the
            objective, or trials failed; the table of the others is written all the
            same.
        FileNotFoundError: If a text is missing.
        ChildProcessError: If a worker ended with an error.
    """
    if workers < 0:
        raise ValueError(f"`workers` must not be negative. Received: {workers}")
    out = os.fspath(out)
    path = os.path.join(out, "sweep.json")
    _check_folder(sweep, out, path)
    # Refuses texts, options and the objective before anything is written.
    model = sweep.hypermodel().build(keras_tuner.HyperParameters())
    if sweep.objective is None:
        sweep = dataclasses.replace(sweep, objective=model.monitor)
    sweep.hypermodel().objective.check(model)
    validation_of(sweep.recipe, model.tokenizer).num_batches()
    os.makedirs(out, exist_ok=True)
    sweep.save(path)
    if workers:
        # The state that chief and workers find.
        sweep.make_tuner(out)
        run_workers(out, workers, report=report)
    else:
        sweep.make_tuner(out, verbose=verbose, report=report).search()
    results = read_results(out)
    write_table(results, os.path.join(out, "table.csv"))
    errors = read_errors(out)
    if errors:
        listed = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise ValueError(
            f"{out}: {len(errors)} of {len(errors) + len(results)} trials failed, and "
            f"the same command tries them again. {listed}"
        )
    if not results:
        raise ValueError(f"{out}: the search gave no trial.")
    return results


def _check_folder(sweep, out, path):
    if not os.path.exists(path):
        if os.path.isfile(out) or os.path.isdir(out) and os.listdir(out):
            raise ValueError(
                f"{out}: the folder of a search must be new or empty. Choose another."
            )
        return
    stored = Sweep.load(path)
    free = {"trials", "recipe"} | ({"objective"} if sweep.objective is None else set())
    changed = _differences(sweep, stored) - free
    changed = sorted(changed | _differences(sweep.recipe, stored.recipe))
    if changed:
        raise ValueError(
            f"{out}: the search there was started with other values of "
            f"{', '.join(changed)}. Continue it with the same arguments, or choose "
            "another folder."
        )


def _differences(first, second):
    return {n for n in vars(first) if getattr(first, n) != getattr(second, n)}
