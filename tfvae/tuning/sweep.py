"""A sweep: a run folder for each trial, one after the other or side by side."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import keras_tuner

from tfvae.files import is_fresh, read_json, write_json
from tfvae.training import RunConfiguration
from tfvae.training.run_folder import check_contents, contents_of, files_of
from tfvae.tuning.hypermodel import TextHyperModel
from tfvae.tuning.results import (
    files_of_trials,
    read_errors,
    read_results,
    write_table,
)
from tfvae.tuning.tuner import RunFolderTuner, check_installed, make_oracle


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a search was asked to do.

    Attributes:
        configuration: `RunConfiguration` of every trial, with a validation text.
        search: Tuple of str as in `parse_search`; empty for the preset's weights.
        tuner: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`.
        objective: Str as in `Objective.parse`, or `None` for what training watches.
        trials: Positive int, the most trials, or `None` as in `make_oracle`.
        num_samples: Positive int, posterior samples per sentence of the metrics.

    Raises:
        ValueError: If anything is refused that needs no data.
    """

    configuration: RunConfiguration
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
        """Creates the hypermodel."""
        return TextHyperModel(
            self.configuration,
            self.search,
            self.objective,
            num_samples=self.num_samples,
            grid=self.tuner == "grid",
        )

    def make_tuner(self, folder, *, verbose=0, report=None):
        """Creates the tuner, which continues what the folder holds."""
        return RunFolderTuner(
            self._oracle(),
            self.hypermodel(),
            folder,
            verbose=verbose,
            report=report,
        )

    def save(self, path, contents=None):
        """Writes the search as JSON.

        Args:
            path: Path of the file.
            contents: Dict of what tells the files that trials read, or `None`.
        """
        fields = dataclasses.asdict(self)
        # As the file of a run's configuration is called.
        fields = {"recipe": fields.pop("configuration"), **fields}
        write_json({**fields, "contents": contents or {}}, path)

    @classmethod
    def load(cls, path):
        """Reads a search written by `save`.

        Raises:
            ValueError: If the file is damaged or of another version.
        """
        fields = read_json(path)
        fields.pop("contents", None)
        try:
            configuration = RunConfiguration(**fields.pop("recipe"))
            return cls(configuration, tuple(fields.pop("search")), **fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: damaged, or written by another version of tfvae ({error}). "
                "Restore the file, or search in another folder."
            ) from error

    def _oracle(self):
        objective = self.hypermodel().objective.for_tuner()
        return make_oracle(
            self.tuner,
            objective,
            trials=self.trials,
            max_epochs=self.configuration.epochs,
            seed=self.configuration.seed,
        )


def tune(sweep, out, *, workers=0, verbose=0, report=None):
    """Runs a search, each trial a run folder, and writes a table of all trials.

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
        ValueError: If the folder holds another search, a file has changed since it
            began, the model does not have the objective, or trials failed; the table of
            the others is written all the same.
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
        if model.greater_is_better:
            raise ValueError(
                f"A search minimises, and of {model.monitor!r} more is better. Name "
                "what it minimises, such as `objective='nll - 0.5 * mi'` "
                "(`--objective`); `monitor` chooses the best epoch of each trial."
            )
        sweep = dataclasses.replace(sweep, objective=model.monitor)
    sweep.hypermodel().objective.check(model)
    len(sweep.configuration.validation_batches(model.tokenizer))
    files = files_of(sweep.configuration)
    contents = contents_of(files)
    if os.path.exists(path):
        check_contents(files, contents, read_json(path).get("contents", {}))
    os.makedirs(out, exist_ok=True)
    sweep.save(path, contents)
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
        if os.path.isfile(out) or os.path.isdir(out) and not is_fresh(out, path):
            raise ValueError(
                f"{out}: the folder of a search must be new or empty. Choose another."
            )
        return
    stored = Sweep.load(path)
    free = {"trials", "configuration"}
    if sweep.objective is None:
        free.add("objective")
    changed = _differences(sweep, stored) - free
    changed = sorted(changed | _differences(sweep.configuration, stored.configuration))
    if changed:
        raise ValueError(
            f"{out}: the search there was started with other values of "
            f"{', '.join(changed)}. Continue it with the same arguments, or choose "
            "another folder."
        )


def _differences(first, second):
    return {n for n in vars(first) if getattr(first, n) != getattr(second, n)}


_POLL_SECONDS = 0.5
_WORK = "import sys; from tfvae.tuning.sweep import work; work(sys.argv[1])"


def run_workers(folder, num_workers, *, report=None):
    """Runs a search by a chief process, which owns the oracle, and worker processes.

    Their output goes to `logs/` in the folder. They end with this process, however it
    ends: they read from a pipe that it holds open.

    Args:
        folder: Path of the search, with `sweep.json` and KerasTuner's state in it.
        num_workers: Positive int.
        report: Callable of the dict of a trial at its end, or `None`.

    Raises:
        ChildProcessError: If a process ended with an error; the others are ended.
    """
    names = ["chief", *(f"worker-{i + 1}" for i in range(num_workers))]
    port = _free_port()
    seen = set(files_of_trials(folder, "trial.json"))
    with contextlib.ExitStack() as stack:
        processes = {}
        for name in names:
            processes[name] = _start(name, folder, port)
            stack.callback(_end, processes[name])
        workers = [process for name, process in processes.items() if name != "chief"]
        while any(process.poll() is None for process in workers):
            time.sleep(_POLL_SECONDS)
            for name, process in processes.items():
                if process.poll():
                    raise ChildProcessError(_ended(name, process, folder))
            for path in files_of_trials(folder, "trial.json"):
                if path not in seen and report is not None:
                    report(read_json(path))
                seen.add(path)
        # The chief would look for its end every 20 seconds; all is saved by now.


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _start(name, folder, port):
    package = str(pathlib.Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    log = _log(name, folder)
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w", encoding="utf-8") as file:
        return subprocess.Popen(
            [sys.executable, "-c", _WORK, folder],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def _end(process):
    process.stdin.close()
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _log(name, folder):
    return os.path.join(folder, "logs", f"{name}.log")


def _ended(name, process, folder):
    log = _log(name, folder)
    number = -process.returncode
    if number > 0:
        # What it printed last is no reason then.
        hint = ", as a system short of memory does" if number == signal.SIGKILL else ""
        return (
            f"{name} was killed by signal {number} ({signal.strsignal(number)}){hint}. "
            f"The same command continues the search. (Its output is in {log})"
        )
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    last = lines[-1] if lines else "it printed nothing"
    return f"{name} ended with status {process.returncode}: {last} (more in {log})"


def work(folder):
    """Runs the chief or a worker of a search, whichever the environment names.

    Args:
        folder: Path of the search.
    """
    end_with_parent()
    sweep = Sweep.load(os.path.join(folder, "sweep.json"))
    sweep.make_tuner(folder, verbose=2).search()


def end_with_parent():
    """Ends this process when its parent, which holds its standard input open, ends."""

    def wait():
        while os.read(sys.stdin.fileno(), 1024):
            continue
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
