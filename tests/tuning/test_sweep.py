import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import types

import pytest

from tests.training.test_train import Interrupt, _rows
from tfvae.text import default_grammar
from tfvae.training import RunConfiguration, RunFolder, train
from tfvae.tuning import sweep as sweep_module
from tfvae.tuning import tuner as tuner_module
from tfvae.tuning.hypermodel import TextHyperModel
from tfvae.tuning.results import read_results
from tfvae.tuning.search_space import Objective
from tfvae.tuning.sweep import Sweep, tune

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)


@pytest.fixture(scope="module")
def sweep(tiny_configuration):
    return Sweep(
        tiny_configuration, ("beta=0.5,1.0",), "grid", "val_nelbo", num_samples=2
    )


@pytest.fixture(scope="module")
def done(sweep, plain_run, tmp_path_factory):
    """A search killed in its second trial and continued, with what it had before."""
    out = tmp_path_factory.mktemp("sweeps") / "beta"

    def killed(configuration, path, **options):
        if configuration.overrides["beta"] == 1.0:
            return train(configuration, path, callbacks=[Interrupt(1, 0)], **options)
        # Any trained model will do.
        shutil.copytree(plain_run.path, path)
        return RunFolder(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuner_module, "train", killed)
        patch.setattr(tuner_module, "measure", lambda *_: {"nll": 1.0})
        with pytest.raises(KeyboardInterrupt):
            tune(sweep, out)
    before = os.stat(out / "trials" / "000" / "model.keras").st_mtime_ns
    assert [result["trial"] for result in read_results(out)] == [0]
    assert RunFolder(out / "trials" / "001").load_state()["epoch"] == 1
    return out, before, tune(sweep, out)


@pytest.mark.slow
def test_continued_search_keeps_finished_trials(done):
    out, before, results = done
    assert [result["values"] for result in results] == [{"beta": 0.5}, {"beta": 1.0}]
    assert os.stat(out / "trials" / "000" / "model.keras").st_mtime_ns == before
    assert sorted(os.listdir(out / "trials")) == ["000", "001"]
    assert (out / "table.csv").exists()


@pytest.mark.long
def test_trial_equals_train(done, plain_run):
    out, _, results = done
    trial = RunFolder(out / "trials" / "001")
    assert _rows(trial) == _rows(plain_run)
    assert trial.load_state() == plain_run.load_state()
    assert results[1]["score"] == plain_run.load_state()["best"]
    assert trial.load_configuration() == plain_run.load_configuration()


def test_metrics_of_trials(done):
    metrics = done[2][1]["metrics"]
    assert {"nll", "kl", "mi", "mi_cap", "active_units"} <= set(metrics)
    assert metrics["num_samples"] == 2
    assert metrics["nelbo"] == pytest.approx(
        metrics["reconstruction"] + metrics["kl"], rel=1e-5
    )


@pytest.mark.slow
def test_a_conditional_preset(tiny_configuration, tmp_path):
    rows = [f"{p.context}\t{p.text}\n" for p in default_grammar().sample_pairs(40, 1)]
    table = tmp_path / "pairs.tsv"
    table.write_text("context\ttext\n" + "".join(rows), encoding="utf-8")
    paths = {"train": str(table), "valid": str(table), "context_column": "context"}
    configuration = dataclasses.replace(tiny_configuration, preset="cvae", **paths)
    sweep = Sweep(configuration, ("bow_weight=0,1",), "grid", "nll", num_samples=2)
    results = tune(sweep, tmp_path / "sweep")
    assert [result["values"]["bow_weight"] for result in results] == [0.0, 1.0]
    for result in results:
        assert result["score"] == result["metrics"]["nll"]
        assert "context_gain" in result["metrics"]
        model = RunFolder(result["folder"]).load_model()
        assert len(model.respond(["who ?"], max_length=3)) == 1


def test_other_arguments_are_refused(done, sweep):
    out = done[0]
    fields = {**vars(sweep), "num_samples": 3}
    with pytest.raises(ValueError, match="other values of num_samples"):
        tune(Sweep(**fields), out)
    configuration = RunConfiguration(**{**vars(sweep.configuration), "seed": 5})
    with pytest.raises(ValueError, match="other values of seed"):
        tune(Sweep(**{**vars(sweep), "configuration": configuration}), out)


def test_another_text_is_refused(done, sweep, tmp_path):
    configuration = sweep.configuration
    out = shutil.copytree(done[0], tmp_path / "sweep")
    path = tmp_path / "valid.txt"
    shutil.copy(configuration.valid, path)
    moved = dataclasses.replace(configuration, valid=str(path))
    stored = json.loads((out / "sweep.json").read_text())
    stored["recipe"]["valid"] = str(path)
    (out / "sweep.json").write_text(json.dumps(stored))
    other = dataclasses.replace(sweep, configuration=moved)
    assert len(tune(other, out)) == 2
    path.write_text(path.read_text() + "one more .\n")
    with pytest.raises(ValueError, match="valid.txt: the file has changed since"):
        tune(other, out)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sweep.json", "{", "sweep.json: damaged or cut short"),
        ("sweep.json", "{}", "sweep.json: damaged, or written by another version"),
        ("tuner/oracle.json", "{", "tuner: the state of the search is damaged"),
        ("tuner/oracle.json", "{}", "tuner: the state of the search is damaged"),
        (
            "tuner/trial_0000/trial.json",
            "",
            "tuner: the state of the search is damaged",
        ),
        ("trials/000/trial.json", "", "trial.json: damaged or cut short"),
        ("trials/000/trial.json", "{}", "trial.json: damaged, since trial, values"),
    ],
)
def test_damages_are_named_in_one_line(
    done, sweep, tmp_path, unbuilt, name, content, message
):
    out = shutil.copytree(done[0], tmp_path / "sweep")
    assert (out / name).exists()
    (out / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        tune(sweep, out)


def test_refuses_a_folder_of_other_things(sweep, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="new or empty"):
        tune(sweep, tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_undefined_objective_is_refused_at_once(tiny_configuration, tmp_path):
    fields = {"preset": "language_model", "overrides": {"embedding_dim": 6}}
    configuration = RunConfiguration(**{**vars(tiny_configuration), **fields})
    sweep = Sweep(configuration, ("decoder_dim=4,8",), objective="nll - 1 * mi")
    with pytest.raises(ValueError, match="needs a latent"):
        tune(sweep, tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


@pytest.fixture
def unbuilt(monkeypatch):
    """Spares building a model, and forgetting it, where nothing is trained."""
    monkeypatch.setattr(tuner_module.keras.backend, "clear_session", lambda: None)
    monkeypatch.setattr(
        TextHyperModel, "build", lambda self, hp: types.SimpleNamespace(tokenizer=None)
    )
    monkeypatch.setattr(Objective, "check", lambda self, model: None)


def _fails(configuration, out, **options):
    raise ValueError(f"no room for {configuration.overrides['beta']}")


def test_failed_trials_surface(sweep, tmp_path, monkeypatch, capsys, unbuilt):
    monkeypatch.setattr(tuner_module, "train", _fails)
    with pytest.raises(ValueError, match="2 of 2 trials failed") as caught:
        tune(sweep, tmp_path / "sweep")
    message = str(caught.value)
    assert "trials/000: ValueError: no room for 0.5" in message
    assert "trials/001: ValueError: no room for 1.0" in message
    assert "Traceback" not in capsys.readouterr().err
    # Tried again, and again in vain.
    with pytest.raises(ValueError, match="2 of 2 trials failed"):
        tune(sweep, tmp_path / "sweep")


def test_stops_after_three_failures(tiny_configuration, tmp_path, monkeypatch, unbuilt):
    monkeypatch.setattr(tuner_module, "train", _fails)
    sweep = Sweep(tiny_configuration, ("beta=1,2,3,4,5",), "grid", "val_nelbo")
    with pytest.raises(ValueError, match="3 of 3 trials failed"):
        tune(sweep, tmp_path / "sweep")


def test_an_infinite_objective_fails(sweep, tmp_path, monkeypatch, plain_run, unbuilt):
    metrics = {"nll": float("nan")}
    monkeypatch.setattr(tuner_module, "train", lambda *_, **__: plain_run)
    monkeypatch.setattr(tuner_module, "RunFolder", lambda _: plain_run)
    monkeypatch.setattr(tuner_module, "measure", lambda *_: dict(metrics))
    sweep = Sweep(**{**vars(sweep), "objective": "nll", "trials": 1})
    with pytest.raises(ValueError, match="its objective nll is nan"):
        tune(sweep, tmp_path / "sweep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tuner": "randon"}, "Did you mean 'random'"),
        ({"trials": 0}, "`trials` must be positive"),
        ({"num_samples": 0}, "`num_samples` must be positive"),
        ({"objective": "los"}, "`objective` must be"),
        ({"search": ("betta",)}, "Did you mean 'beta'"),
    ],
)
def test_refuses(tiny_configuration, options, message):
    with pytest.raises(ValueError, match=message):
        Sweep(tiny_configuration, **options)


def test_asks_what_to_minimise_where_more_is_better(tiny_configuration, tmp_path):
    fields = {**vars(tiny_configuration), "monitor": "val_latent_gain"}
    sweep = Sweep(RunConfiguration(**fields), ("beta=0.5",), "grid")
    with pytest.raises(ValueError, match="'val_latent_gain' more is better. Name what"):
        tune(sweep, tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_needs_a_validation_text(tiny_configuration):
    configuration = RunConfiguration(**{**vars(tiny_configuration), "valid": None})
    with pytest.raises(ValueError, match="Give `valid`"):
        Sweep(configuration)


def test_saved_and_loaded(sweep, tmp_path):
    path = tmp_path / "sweep.json"
    sweep.save(path)
    assert Sweep.load(path) == sweep
    # Under the key that searches of earlier versions have.
    assert json.loads(path.read_text())["recipe"]["preset"] == "beta_vae"


def _scripts(monkeypatch, folder, by_name):
    """Runs short scripts in place of the chief and the workers."""
    started = {}

    def start(name, folder, port):
        log = sweep_module._log(name, folder)
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "w") as file:
            started[name] = subprocess.Popen(
                [sys.executable, "-c", by_name[name], folder],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return started[name]

    monkeypatch.setattr(sweep_module, "_start", start)
    monkeypatch.setattr(sweep_module, "_POLL_SECONDS", 0.02)
    return started


WAIT = "import time; time.sleep(60)"
WRITE = """
import json, os, sys
os.makedirs(sys.argv[1] + "/trials/000")
path = sys.argv[1] + "/trials/000/trial.json"
with open(path + ".partial", "w") as file:
    json.dump({"trial": 0}, file)
os.replace(path + ".partial", path)
"""


def test_ends_the_chief_after_the_workers(monkeypatch, tmp_path):
    started = _scripts(
        monkeypatch, tmp_path, {"chief": WAIT, "worker-1": WRITE, "worker-2": "1"}
    )
    reported = []
    sweep_module.run_workers(str(tmp_path), 2, report=reported.append)
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
        sweep_module.run_workers(str(tmp_path), 2)
    assert all(process.poll() is not None for process in started.values())


def test_a_killed_worker_is_named_as_killed(monkeypatch, tmp_path):
    killed = (
        "import os, signal; print('12/40 - loss: 81.2', flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    scripts = {"chief": WAIT, "worker-1": WAIT, "worker-2": killed}
    started = _scripts(monkeypatch, tmp_path, scripts)
    with pytest.raises(
        ChildProcessError, match="worker-2 was killed by signal 9 "
    ) as e:
        sweep_module.run_workers(str(tmp_path), 2)
    assert "short of memory" in str(e.value) and "loss" not in str(e.value)
    assert "worker-2.log" in str(e.value)
    assert all(process.poll() is not None for process in started.values())


@pytest.mark.long
def test_ends_with_its_parent():
    code = (
        "import time; from tfvae.tuning.sweep import end_with_parent\n"
        "end_with_parent(); print('up', flush=True); time.sleep(60)"
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
def test_two_workers_equal_one_process(tiny_configuration, tmp_path):
    sweep = Sweep(
        tiny_configuration, ("beta=0.1,0.5,1.0",), "grid", "val_nelbo", num_samples=2
    )
    alone = tune(sweep, tmp_path / "alone")
    reported = []
    started = time.time()
    together = tune(sweep, tmp_path / "together", workers=2, report=reported.append)
    assert time.time() - started < 300
    assert sorted(result["trial"] for result in reported) == [0, 1, 2]
    for one, other in zip(alone, together, strict=True):
        assert one["values"] == other["values"]
        assert one["metrics"]["nll"] == pytest.approx(other["metrics"]["nll"], 1e-5)
    ended = [
        name
        for name in ("worker-1", "worker-2")
        if "val_nelbo" in (tmp_path / "together" / "logs" / f"{name}.log").read_text()
    ]
    assert ended == ["worker-1", "worker-2"]
    assert read_results(tmp_path / "together") == together
    with open(tmp_path / "together" / "tuner" / "oracle.json") as file:
        assert len(json.load(file)["end_order"]) == 3
