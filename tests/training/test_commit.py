"""A run killed at any of its writes ends, resumed, as if it had not been."""

import csv
import dataclasses
import json
import os
import shutil

import keras
import numpy as np
import pytest

from tests.training.kills import Snapshots, distinct
from tfvae.training import RunFolder, train

# The longest of these take nine steps, three an epoch.
_FALLS = {"learning_rate": 5.0, "clip_norm": None}
KINDS = {
    "validation": ("vae", {}),
    "no_validation": ("vae", {"valid": None}),
    "no_latent": ("language_model", {}),
    "coupled": ("coupled_vae", {}),
    "critic": (
        "ivae",
        {"overrides": {"critic_dims": (8,), "num_critic_steps": 2}},
    ),
    "own_loop": (
        "lagging_vae",
        {"overrides": {"check_every": 2, "max_sub_steps": 3}},
    ),
    "pretraining": ("prefb_vae", {"overrides": {"pretraining": 1 / 3}}),
    "patience": ("vae", {"epochs": 30, "patience": 1, "overrides": _FALLS}),
    "plateau": (
        "vae",
        {"overrides": {**_FALLS, "decay": "plateau", "decay_patience": 1}},
    ),
    "steps": ("vae", {"epochs": None, "steps": 7}),
    "longer": ("vae", {}),
    "from": ("vae", {"freeze": "decoder"}),
}


def _numbers(folder):
    """All that training depends on, of the last model and the best one."""
    for path in (folder.last, folder.model):
        model = keras.models.load_model(path)
        sources = [
            model,
            model.optimizer,
            getattr(model.loop, "encoder_optimizer", None),
        ]
        sources += [getattr(term, "critic_optimizer", None) for term in model.objective]
        yield from (v.numpy() for each in sources if each for v in each.variables)


def _outcome(folder):
    """All that a finished run is known by."""
    with open(folder.history, newline="") as file:
        rows = list(csv.reader(file))
    return rows, folder.load_state(), list(_numbers(folder))


def _assert_same(one, other):
    assert one[0] == other[0]
    assert one[1] == other[1]
    for first, second in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(first, second)


def _killed(kind, home):
    """Trains a run, keeping what a kill at each of its writes would leave.

    Returns:
        Tuple of the configuration, the outcome, and the `Snapshots`.
    """
    from tests.training.conftest import TINY
    from tfvae.text import default_grammar
    from tfvae.training import RunConfiguration

    paths = {}
    for role, num in (("train", 24), ("valid", 8)):
        paths[role] = str(home / f"{role}.txt")
        with open(paths[role], "w") as file:
            file.writelines(f"{s.text}\n" for s in default_grammar().sample(num, role))
    preset, fields = KINDS[kind]
    fields = {"epochs": 3, "batch_size": 8, "xla": False, **paths, **fields}
    fields["overrides"] = {**TINY, **fields.get("overrides", {})}
    if kind == "from":
        source = {**fields, "freeze": None, "epochs": 1, "seed": 1}
        made = RunConfiguration(preset, **source)
        fields["start_from"] = train(made, home / "source", verbose=0).path
    if kind == "longer":
        made = RunConfiguration(preset, **{**fields, "epochs": 2})
        train(made, home / "whole", verbose=0)
    made = RunConfiguration(preset, **fields)
    with Snapshots(home / "whole", home / "copies") as snapshots:
        folder = train(made, home / "whole", resume=kind == "longer", verbose=0)
    return made, _outcome(folder), snapshots


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A finished run and copies of its folder, one before each of its writes."""
    return _killed("validation", tmp_path_factory.mktemp("killed"))


@pytest.fixture
def finished(killed, tmp_path):
    """A copy of the finished run, but for the word that it is."""
    folder = RunFolder(shutil.copytree(killed[2].folder, tmp_path / "run"))
    folder.save_state({**folder.load_state(), "finished": False})
    return folder


def test_the_run_writes_what_it_is_thought_to(killed):
    places = {path for _, path in killed[2].events}
    assert os.path.join("commit.partial", "last.keras") in places
    assert os.path.join("commit", "state.json") in places
    assert "recipe.partial.json" in places
    # The configuration, the first state, three epochs and the end.
    assert len(killed[2].paths) > 30


def _goes_on(made, whole, copy, path):
    """Continues a run that was killed, or begins it where it had not begun."""
    folder = RunFolder(shutil.copytree(copy, path))
    has_begun = os.path.exists(folder.configuration)
    _assert_same(_outcome(train(made, path, resume=has_begun, verbose=0)), whole)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.3, 0.55, 0.8])
def test_killed_at_some_writes(killed, share, tmp_path):
    made, whole, snapshots = killed
    copy = snapshots.paths[int(share * len(snapshots.paths))]
    _goes_on(made, whole, copy, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_write(kind, tmp_path):
    made, whole, snapshots = _killed(kind, tmp_path)
    copies = distinct(snapshots.paths, lambda path: RunFolder(path).recover())
    for index, copy in enumerate(copies):
        _goes_on(made, whole, copy, tmp_path / f"again-{index}")
    # What the folders hold changes at least with each epoch and each row.
    assert len(snapshots.paths) > len(copies) > 2 * (len(whole[0]) - 2)
    print(f"{kind}: {len(snapshots.paths)} kills, {len(copies)} of them distinct")


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


class _Kill(keras.callbacks.Callback):
    """Ends the process before the first step."""

    def on_train_begin(self, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("role", ["word_vectors", "start_from"])
def test_another_file_to_begin_with_is_refused(killed, finished, tmp_path, role):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("the 1 2 3 4 5 6\n")
    path, begins = {
        "word_vectors": (vectors, str(vectors)),
        "start_from": (finished.model, finished.path),
    }[role]
    made = dataclasses.replace(killed[0], epochs=1, **{role: begins})
    with pytest.raises(KeyboardInterrupt):
        train(made, tmp_path / "new", verbose=0, callbacks=[_Kill()])
    if role == "word_vectors":
        vectors.write_text("the 6 5 4 3 2 1\n")
    else:
        # Saved at another time.
        keras.models.load_model(finished.last).save(finished.model)
    with pytest.raises(ValueError, match=f"{path}: the file has changed since"):
        train(made, tmp_path / "new", resume=True, verbose=0)


@pytest.mark.slow
def test_what_a_run_began_with_is_read_no_more(tmp_path, killed):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("the 1 2 3 4 5 6\n")
    made = dataclasses.replace(killed[0], epochs=1, word_vectors=str(vectors))
    train(made, tmp_path / "run", verbose=0)
    vectors.unlink()
    longer = dataclasses.replace(made, epochs=2)
    folder = train(longer, tmp_path / "run", resume=True, verbose=0)
    assert folder.load_state()["epoch"] == 2


def test_a_history_that_is_cut_is_read_as_far_as_it_goes(finished, killed):
    with open(finished.history, "a") as file:
        file.write("\n,,\n3,0.")
    resumed = train(killed[0], finished.path, resume=True, verbose=0)
    assert _outcome(resumed)[0] == killed[1][0]
