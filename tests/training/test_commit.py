"""A run killed at any of its writes ends, resumed, as if it had not been."""

import csv
import json
import os
import shutil
import sys

import keras
import numpy as np
import pytest

from tfvae.training import RunFolder, train

_HOOK = {"watch": None}


def _audit(event, args):
    """Calls what watches before each write to the file system."""
    # At the end of the process the module's names are gone before the hook is.
    if _HOOK is None or _HOOK["watch"] is None:
        return
    writes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
    if event == "open" and isinstance(args[1], str):
        writes = any(mode in args[1] for mode in "wax+")
    if writes and isinstance(args[0], (str, os.PathLike)):
        _HOOK["watch"](event, os.fspath(args[0]))


# A hook cannot be removed: it does nothing unless something watches.
sys.addaudithook(_audit)


class Snapshots:
    """Copies a run folder before each write in it: what a kill there would leave."""

    def __init__(self, run, copies):
        self.run, self.copies = str(run), copies
        self.events = []

    def __enter__(self):
        _HOOK["watch"] = self._copy
        return self

    def __exit__(self, *error):
        _HOOK["watch"] = None

    def _copy(self, event, path):
        inside = path.startswith(self.run + os.sep) and "logs" not in path
        if not inside or not os.path.isdir(self.run):
            return
        _HOOK["watch"] = None
        shutil.copytree(
            self.run,
            self.copies / f"{len(self.events):03}",
            ignore=shutil.ignore_patterns("logs"),
        )
        self.events.append((event, os.path.relpath(path, self.run)))
        _HOOK["watch"] = self._copy


def _outcome(folder):
    """All that a finished run is known by."""
    with open(folder.history, newline="") as file:
        rows = list(csv.reader(file))
    models = [keras.models.load_model(p) for p in (folder.last, folder.model)]
    weights = [
        v.numpy() for m in models for v in (*m.variables, *m.optimizer.variables)
    ]
    return rows, folder.load_state(), weights


def _assert_same(one, other):
    assert one[0] == other[0]
    assert one[1] == other[1]
    for first, second in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A finished run and copies of its folder, one before each of its writes."""
    from tests.training.conftest import TINY
    from tfvae.text import default_grammar
    from tfvae.training import RunConfiguration

    home = tmp_path_factory.mktemp("killed")
    paths = {}
    for role, num in (("train", 24), ("valid", 8)):
        paths[role] = str(home / f"{role}.txt")
        with open(paths[role], "w") as file:
            file.writelines(f"{s.text}\n" for s in default_grammar().sample(num, role))
    made = RunConfiguration(
        "vae", epochs=3, batch_size=8, xla=False, overrides=TINY, **paths
    )
    (home / "copies").mkdir()
    with Snapshots(home / "whole", home / "copies") as snapshots:
        folder = train(made, home / "whole", verbose=0)
    copies = sorted((home / "copies").iterdir())
    return made, _outcome(folder), copies, snapshots.events


@pytest.fixture
def finished(killed, tmp_path):
    """A copy of the finished run, but for the word that it is."""
    whole = killed[2][0].parent.parent / "whole"
    folder = RunFolder(shutil.copytree(whole, tmp_path / "run"))
    folder.save_state({**folder.load_state(), "finished": False})
    return folder


def test_the_run_writes_what_it_is_thought_to(killed):
    _, _, copies, events = killed
    places = {path for _, path in events}
    assert os.path.join("commit.partial", "last.keras") in places
    assert os.path.join("commit", "state.json") in places
    assert "recipe.partial.json" in places
    # The configuration, the first state, three epochs and the end.
    assert len(copies) == len(events) > 30


def _resumes(killed, index, tmp_path):
    made, whole, copies, events = killed
    shutil.copytree(copies[index], tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    if not os.path.exists(folder.configuration):
        # Nothing but an empty folder, which a new run may have.
        assert not [f for f in os.listdir(folder.path) if "partial" not in f]
        return
    _assert_same(_outcome(train(made, folder.path, resume=True, verbose=0)), whole)


@pytest.mark.parametrize("share", [0.3, 0.55, 0.8])
def test_killed_at_some_writes(killed, share, tmp_path):
    _resumes(killed, int(share * len(killed[2])), tmp_path)


@pytest.mark.slow
def test_killed_at_every_write(killed, tmp_path):
    for index in range(len(killed[2])):
        path = tmp_path / str(index)
        path.mkdir()
        _resumes(killed, index, path)


def test_a_full_disk_leaves_what_was_there(tmp_path, finished, monkeypatch):
    folder = finished
    before = {
        name: (tmp_path / "run" / name).read_bytes()
        for name in ("last.keras", "model.keras", "state.json")
    }
    model = keras.models.load_model(folder.last)

    def full(path):
        with open(path, "wb") as file:
            file.write(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", full)
    with pytest.raises(OSError, match="No space left"):
        folder.save_epoch(model, {**folder.load_state(), "epoch": 4}, is_best=True)
    for name, content in before.items():
        assert (tmp_path / "run" / name).read_bytes() == content
    assert not [name for name in os.listdir(folder.path) if "commit" in name]


def _damage(folder, name, change):
    path = os.path.join(folder.path, name)
    if change is None:
        os.remove(path)
        return
    with open(path) as file:
        content = file.read()
    with open(path, "w") as file:
        file.write(change(content))


def _with(**values):
    return lambda text: json.dumps({**json.loads(text), **values})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("state.json", None, "state.json: no such file, although the run has trained"),
        ("state.json", lambda text: "null", "state.json: must hold a JSON object"),
        ("state.json", lambda text: text[:20], "state.json: damaged or cut short"),
        ("state.json", _with(epoch=None), "'epoch' is missing or not as it was"),
        ("state.json", _with(epoch=-1), "'epoch' is missing or not as it was"),
        ("state.json", _with(finished="no"), "'finished' is missing or not as it"),
        ("last.keras", None, "last.keras: no such file, although 3 epochs"),
        ("recipe.json", lambda text: text[:30], "recipe.json: damaged or cut short"),
        ("recipe.json", lambda text: "[" * 100_000, "recipe.json: damaged"),
        ("recipe.json", _with(preset=3), "recipe.json: `preset` must be a str"),
        ("recipe.json", _with(hue=3), "another version of tfvae.*hue"),
        (
            "recipe.json",
            lambda text: json.dumps({"train": "x"}),
            "recipe.json: 'preset' is missing",
        ),
    ],
)
def test_damages_are_named_in_one_line(finished, name, change, message):
    folder = finished
    _damage(folder, name, change)
    with pytest.raises(ValueError, match=message) as found:
        train(None, folder.path, resume=True, verbose=0)
    assert "\n" not in str(found.value)


def test_another_text_under_the_path_is_refused(tmp_path, configuration, texts):
    copied = {role: str(tmp_path / f"{role}.txt") for role in texts}
    for role, path in texts.items():
        shutil.copy(path, copied[role])
    made = configuration(epochs=1, **copied)
    folder = train(made, tmp_path / "run", verbose=0)
    state = folder.load_state()
    assert state["texts"]["train"]["bytes"] == os.path.getsize(copied["train"])
    folder.save_state({**state, "finished": False})
    with open(copied["train"], "a") as file:
        file.write("one more .\n")
    with pytest.raises(ValueError, match="train.txt: the file has changed since"):
        train(made, folder.path, resume=True, verbose=0)


def test_a_history_that_is_cut_is_read_as_far_as_it_goes(finished, killed):
    with open(finished.history, "a") as file:
        file.write("\n,,\n3,0.")
    resumed = train(killed[0], finished.path, resume=True, verbose=0)
    assert _outcome(resumed)[0] == killed[1][0]
