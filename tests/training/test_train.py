import csv
import os

import keras
import numpy as np
import pytest

from tfvae.training import RunFolder, train


class Interrupt(keras.callbacks.Callback):
    """Breaks training off in the middle of an epoch, as a kill does."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place = (epoch, batch)
        self.epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise KeyboardInterrupt


def _rows(folder):
    with open(folder.history, newline="") as file:
        return list(csv.DictReader(file))


def test_run_folder_is_complete(tmp_path, recipe):
    folder = train(recipe(), tmp_path / "run", verbose=0)
    for path in (folder.model, folder.last, folder.recipe, folder.state):
        assert os.path.getsize(path) > 0
    assert any(
        name.startswith("events") for _, _, f in os.walk(folder.logs) for name in f
    )
    rows = _rows(folder)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert {"loss", "nelbo", "kl", "kl_weight", "perplexity", "val_nelbo"} <= set(
        rows[0]
    )
    state = folder.load_state()
    values = [float(row["val_nelbo"]) for row in rows]
    assert state["finished"] and state["epoch"] == 3
    assert state["best"] == pytest.approx(min(values), rel=1e-6)
    assert state["best_epoch"] == 1 + int(np.argmin(values))


@pytest.mark.parametrize(
    "preset",
    [
        "vae",
        *(pytest.param(p, marks=pytest.mark.slow) for p in ("language_model", "dae")),
    ],
)
def test_resumed_run_equals_the_uninterrupted(tmp_path, recipe, preset):
    whole = train(recipe(preset), tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(
            recipe(preset), tmp_path / "parts", verbose=0, callbacks=[Interrupt(1, 2)]
        )
    assert RunFolder(tmp_path / "parts").load_state()["epoch"] == 1
    parts = train(recipe(preset), tmp_path / "parts", resume=True, verbose=0)
    assert _rows(parts) == _rows(whole)
    for path in ("model", "last"):
        first, second = (
            keras.models.load_model(getattr(folder, path)) for folder in (whole, parts)
        )
        for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(
            first.optimizer.variables, second.optimizer.variables, strict=True
        ):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_interrupted_before_the_first_epoch_ends(tmp_path, recipe):
    whole = train(recipe(), tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "parts", verbose=0, callbacks=[Interrupt(0, 1)])
    parts = train(recipe(), tmp_path / "parts", resume=True, verbose=0)
    assert _rows(parts) == _rows(whole)


def test_stops_at_the_step(tmp_path, recipe):
    folder = train(recipe(epochs=None, steps=7), tmp_path / "run", verbose=0)
    assert int(keras.models.load_model(folder.last).step) == 7
    assert folder.load_state()["epoch"] == 2


def test_patience_stops_early(tmp_path, recipe):
    # At this rate validation only gets worse.
    made = recipe(
        epochs=30, patience=2, overrides={"learning_rate": 5.0, "clip_norm": None}
    )
    folder = train(made, tmp_path / "run", verbose=0)
    state = folder.load_state()
    assert state["stopped"] and not state["finished"]
    assert state["epoch"] == state["best_epoch"] + 2 < 30
    best = keras.models.load_model(folder.model)
    assert int(best.step) == 5 * state["best_epoch"]


def test_plateau_halves_the_rate(tmp_path, recipe):
    made = recipe(
        epochs=4,
        overrides={"learning_rate": 5.0, "decay": "plateau", "decay_patience": 1},
    )
    folder = train(made, tmp_path / "run", verbose=0)
    waits = 4 - folder.load_state()["best_epoch"]
    rate = float(keras.models.load_model(folder.last).optimizer.learning_rate)
    assert rate <= 5.0 * 0.5**waits < 5.0


def test_without_validation_the_last_model_is_kept(tmp_path, recipe):
    folder = train(recipe(valid=None), tmp_path / "run", verbose=0)
    assert int(keras.models.load_model(folder.model).step) == 15


def test_seed_decides(tmp_path, recipe):
    first, again, other = (
        _rows(train(recipe(seed=seed, epochs=1), tmp_path / str(i), verbose=0))
        for i, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first != other


def test_finished_run_is_left_alone(tmp_path, recipe):
    folder = train(recipe(epochs=1), tmp_path / "run", verbose=0)
    before = os.stat(folder.model).st_mtime_ns
    train(recipe(epochs=1), tmp_path / "run", resume=True, verbose=0)
    assert os.stat(folder.model).st_mtime_ns == before


def test_refuses_another_runs_folder(tmp_path, recipe):
    folder = train(recipe(epochs=1), tmp_path / "run", verbose=0)
    with pytest.raises(ValueError, match="holds a run already"):
        train(recipe(epochs=1), folder.path, verbose=0)
    with pytest.raises(ValueError, match="other values of seed"):
        train(recipe(epochs=1, seed=1), folder.path, resume=True, verbose=0)


def test_refuses_a_folder_of_other_things(tmp_path, recipe):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        train(recipe(), tmp_path, verbose=0)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_nothing_to_resume(tmp_path, recipe):
    with pytest.raises(ValueError, match="no run to resume"):
        train(recipe(), tmp_path / "none", resume=True, verbose=0)
    assert not os.path.exists(tmp_path / "none")


def test_wordpiece_run(tmp_path, recipe):
    made = recipe(tokenizer="wordpiece", epochs=1, overrides={"max_tokens": 300})
    model = train(made, tmp_path / "run", verbose=0).load_model()
    assert type(model.tokenizer).__name__ == "WordpieceTokenizer"
    assert model.decoder.vocabulary_size == model.tokenizer.vocabulary_size <= 300
