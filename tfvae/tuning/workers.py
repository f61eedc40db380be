"""Several processes that run trials side by side, by KerasTuner's distribution."""

import contextlib
import glob
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

_POLL_SECONDS = 0.5


def run_workers(folder, num_workers, *, report=None):
    """Runs a search by a chief, which owns the oracle, and workers of this machine.

    Their output goes to `logs/` in the folder. They end when this process ends, however
    it does: they read from it, and reading ends then.

    Args:
        folder: Path of the search, with `sweep.json` and KerasTuner's state in it.
        num_workers: Positive int.
        report: Callable of the dict of a trial at its end, or `None`.

    Raises:
        ChildProcessError: If a process ended with an error; the others are ended.
    """
    names = ["chief", *(f"worker-{i + 1}" for i in range(num_workers))]
    port = _free_port()
    seen = set(_finished(folder))
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
            for path in sorted(set(_finished(folder)) - seen):
                seen.add(path)
                if report is not None:
                    with open(path, encoding="utf-8") as file:
                        report(json.load(file))
        # The chief would look for its end every 20 seconds; all is saved by now.


def _finished(folder):
    return glob.glob(os.path.join(folder, "trials", "*", "trial.json"))


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
            [sys.executable, "-m", "tfvae.tuning.worker", folder],
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
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    last = lines[-1] if lines else "it printed nothing"
    return f"{name} ended with status {process.returncode}: {last} (more in {log})"


def end_with_parent():
    """Ends this process when its standard input ends, which its parent holds open."""

    def wait():
        while os.read(sys.stdin.fileno(), 1024):
            continue
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
