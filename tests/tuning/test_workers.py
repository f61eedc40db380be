import json
import os
import subprocess
import sys
import time

import pytest

from tfvae.tuning import workers
from tfvae.tuning.results import read_results
from tfvae.tuning.sweep import Sweep, tune


def _scripts(monkeypatch, folder, by_name):
    """Runs short scripts in place of the chief and the workers."""
    started = {}

    def start(name, folder, port):
        log = workers._log(name, folder)
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "w") as file:
            started[name] = subprocess.Popen(
                [sys.executable, "-c", by_name[name], folder],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return started[name]

    monkeypatch.setattr(workers, "_start", start)
    monkeypatch.setattr(workers, "_POLL_SECONDS", 0.02)
    return started


WAIT = "import time; time.sleep(60)"
WRITE = """
import json, os, sys
os.makedirs(sys.argv[1] + "/trials/000")
json.dump({"trial": 0}, open(sys.argv[1] + "/trials/000/trial.json", "w"))
"""


def test_ends_the_chief_after_the_workers(monkeypatch, tmp_path):
    started = _scripts(
        monkeypatch, tmp_path, {"chief": WAIT, "worker-1": WRITE, "worker-2": "1"}
    )
    reported = []
    workers.run_workers(str(tmp_path), 2, report=reported.append)
    assert reported == [{"trial": 0}]
    assert all(process.poll() is not None for process in started.values())


def test_a_workers_error_surfaces(monkeypatch, tmp_path):
    scripts = {
        "chief": WAIT,
        "worker-1": "raise OSError('no room')",
        "worker-2": WAIT,
    }
    started = _scripts(monkeypatch, tmp_path, scripts)
    with pytest.raises(ChildProcessError, match="worker-1 .* OSError: no room"):
        workers.run_workers(str(tmp_path), 2)
    assert all(process.poll() is not None for process in started.values())


def test_ends_with_its_parent():
    code = (
        "import importlib.util as u, sys, time\n"
        f"s = u.spec_from_file_location('w', {workers.__file__!r})\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "m.end_with_parent(); print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"up\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(20) == 1


@pytest.mark.slow
# KerasTuner names the current thread in an old way.
@pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:getName:DeprecationWarning")
def test_two_workers_equal_one_process(tiny_recipe, tmp_path):
    sweep = Sweep(
        tiny_recipe, ("beta=0.1,0.5,1.0",), "grid", "val_nelbo", num_samples=2
    )
    alone = tune(sweep, tmp_path / "alone")
    reported = []
    started = time.time()
    together = tune(sweep, tmp_path / "together", workers=2, report=reported.append)
    assert time.time() - started < 300
    assert sorted(result["trial"] for result in reported) == [0, 1, 2]
    for one, other in zip(alone, together, strict=True):
        assert one["values"] == other["values"]
        assert one["figures"]["nll"] == pytest.approx(other["figures"]["nll"], 1e-5)
    ended = [
        name
        for name in ("worker-1", "worker-2")
        if "val_nelbo" in (tmp_path / "together" / "logs" / f"{name}.log").read_text()
    ]
    assert ended == ["worker-1", "worker-2"]
    assert read_results(tmp_path / "together") == together
    with open(tmp_path / "together" / "tuner" / "oracle.json") as file:
        assert len(json.load(file)["end_order"]) == 3
