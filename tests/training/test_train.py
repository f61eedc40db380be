import csv
import os
import types

import keras
import numpy as np
import pytest

from tests.support import eager_steps
from tfvae.cli.main import main
from tfvae.text import Batches
from tfvae.training import RunFolder, load_model, train
from tfvae.training.train import _descriptions


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


# Two steps an epoch of short sentences, op by op.
FEW = {"batch_size": 20, "max_length": 6, "too_long": "truncate"}


@pytest.fixture(scope="module")
def finished(configuration, tmp_path_factory):
    """The folder of a run of one epoch of two steps; tests leave it as it is."""
    made = configuration(epochs=1, **FEW)
    with eager_steps():
        return train(made, tmp_path_factory.mktemp("finished") / "run", verbose=0)


def _rows(folder):
    with open(folder.history, newline="") as file:
        return list(csv.DictReader(file))


def test_run_folder_is_complete(tmp_path, configuration, eagerly):
    folder = train(configuration(**FEW), tmp_path / "run", verbose=0)
    for path in (folder.model, folder.last, folder.configuration, folder.state):
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


# A third of the steps: the first phase ends with the epoch that is resumed from.
LOOPS = {
    "lagging_vae": {"check_every": 2, "max_sub_steps": 3},
    "prefb_vae": {"pretraining": 1 / 3},
}


def _numbers(model):
    """All that training depends on."""
    own = getattr(model.loop, "encoder_optimizer", None)
    sources = [model, model.optimizer] + ([own] if own else [])
    return [v.numpy() for source in sources for v in source.variables]


@pytest.mark.parametrize(
    "preset",
    [
        "vae",
        *(
            pytest.param(preset, marks=pytest.mark.slow)
            for preset in ("language_model", "dae", *LOOPS)
        ),
    ],
)
def test_resumed_run_equals_the_uninterrupted(tmp_path, configuration, preset, request):
    fields, num_steps = {}, 5
    if preset == "vae":
        request.getfixturevalue("eagerly")
        fields, num_steps = FEW, 2
    made = configuration(preset, overrides=LOOPS.get(preset, {}), **fields)
    whole = train(made, tmp_path / "whole", verbose=0)
    interrupt = Interrupt(1, num_steps // 2)
    with pytest.raises(KeyboardInterrupt):
        train(made, tmp_path / "parts", verbose=0, callbacks=[interrupt])
    assert RunFolder(tmp_path / "parts").load_state()["epoch"] == 1
    parts = train(made, tmp_path / "parts", resume=True, verbose=0)
    assert _rows(parts) == _rows(whole)
    for path in ("model", "last"):
        first, second = (
            keras.models.load_model(getattr(folder, path)) for folder in (whole, parts)
        )
        for one, other in zip(_numbers(first), _numbers(second), strict=True):
            np.testing.assert_array_equal(one, other)
    # The length of a run is counted in full updates of the objective.
    assert int(second.step) == 3 * num_steps
    assert len(_rows(parts)) == (4 if preset == "prefb_vae" else 3)
    if preset == "prefb_vae":
        assert _rows(parts)[0]["nelbo"] == "nan" != _rows(parts)[1]["nelbo"]
        assert parts.load_state()["best_epoch"] > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("sa_vae", ["num_steps=2"]),
        ("lagging_vae", ["check_every=1", "max_sub_steps=2"]),
        ("prefb_vae", ["pretraining=1"]),
    ],
)
def test_by_the_command(tmp_path, texts, preset, options):
    small = ["embedding_dim=6", "encoder_dim=8", "decoder_dim=8", "latent_dim=3"]
    arguments = ["train", preset, "--train", texts["train"], "--steps", "3"]
    arguments += ["--batch-size", "8", "--quiet"]
    arguments += ["--out", str(tmp_path / "run")]
    for each in small + options:
        arguments += ["--set", each]
    assert main(arguments) == 0
    assert int(load_model(tmp_path / "run").step) == 3


@pytest.mark.slow
def test_interrupted_before_the_first_epoch_ends(tmp_path, configuration):
    whole = train(configuration(), tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(
            configuration(), tmp_path / "parts", verbose=0, callbacks=[Interrupt(0, 1)]
        )
    parts = train(configuration(), tmp_path / "parts", resume=True, verbose=0)
    assert _rows(parts) == _rows(whole)


def test_stops_at_the_step(tmp_path, configuration, eagerly):
    made = configuration(epochs=None, steps=3, **FEW)
    folder = train(made, tmp_path / "run", verbose=0)
    assert int(keras.models.load_model(folder.last).step) == 3
    assert folder.load_state()["epoch"] == 2


def test_patience_stops_early(tmp_path, configuration, eagerly):
    # At this rate validation only gets worse.
    rate = {"learning_rate": 5.0, "clip_norm": None}
    made = configuration(epochs=30, patience=2, overrides=rate, **FEW)
    folder = train(made, tmp_path / "run", verbose=0)
    state = folder.load_state()
    assert state["stopped"] and not state["finished"]
    assert state["epoch"] == state["best_epoch"] + 2 < 30
    best = keras.models.load_model(folder.model)
    assert int(best.step) == 2 * state["best_epoch"]


def test_plateau_halves_the_rate(tmp_path, configuration, eagerly):
    made = configuration(
        epochs=4,
        overrides={"learning_rate": 5.0, "decay": "plateau", "decay_patience": 1},
        **FEW,
    )
    folder = train(made, tmp_path / "run", verbose=0)
    best, rate = float("inf"), 5.0
    for row in _rows(folder):
        value = float(row["val_nelbo"])
        if value < best:
            best = value
        else:
            rate *= 0.5
    assert rate < 5.0
    assert float(load_model(folder.last).optimizer.learning_rate) == rate


def test_without_validation_the_last_model_is_kept(tmp_path, configuration, eagerly):
    folder = train(configuration(valid=None, **FEW), tmp_path / "run", verbose=0)
    assert int(keras.models.load_model(folder.model).step) == 6


def test_a_model_is_loaded_from_its_folder_or_file(tmp_path, finished):
    paths = finished.path, finished.model, finished.last
    for model in map(load_model, paths):
        assert int(model.step) == 2 and model.compiled
    with pytest.raises(FileNotFoundError, match="no run here"):
        load_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="no model yet"):
        load_model(tmp_path / "none.keras")
    (tmp_path / "letter.keras").write_text("mine")
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_model(tmp_path / "letter.keras")


@pytest.mark.slow
def test_seed_decides(tmp_path, configuration):
    first, again, other = (
        _rows(train(configuration(seed=seed, epochs=1), tmp_path / str(i), verbose=0))
        for i, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first != other


def test_finished_run_is_left_alone(configuration, finished):
    before = os.stat(finished.model).st_mtime_ns
    train(configuration(epochs=1, **FEW), finished.path, resume=True, verbose=0)
    assert os.stat(finished.model).st_mtime_ns == before


def test_refuses_another_runs_folder(configuration, finished):
    with pytest.raises(ValueError, match="holds a run already"):
        train(configuration(epochs=1, **FEW), finished.path, verbose=0)
    made = configuration(epochs=1, seed=1, **FEW)
    with pytest.raises(ValueError, match="other values of seed"):
        train(made, finished.path, resume=True, verbose=0)


def test_refuses_a_folder_of_other_things(tmp_path, configuration):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        train(configuration(), tmp_path, verbose=0)
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_nothing_to_resume(tmp_path, configuration):
    with pytest.raises(ValueError, match="no run to resume"):
        train(configuration(), tmp_path / "none", resume=True, verbose=0)
    assert not os.path.exists(tmp_path / "none")


@pytest.mark.slow
def test_wordpiece_run(tmp_path, configuration):
    made = configuration(tokenizer="wordpiece", epochs=1, overrides={"max_tokens": 300})
    model = train(made, tmp_path / "run", verbose=0).load_model()
    assert type(model.tokenizer).__name__ == "WordpieceTokenizer"
    assert model.decoder.vocabulary_size == model.tokenizer.vocabulary_size <= 300


def test_the_best_model_is_chosen_by_what_was_asked_for(tmp_path, configuration):
    class Scripted(keras.callbacks.Callback):
        """Logs information that is largest after the second epoch."""

        names = ("val_mi",)

        def on_epoch_end(self, epoch, logs=None):
            logs["val_mi"] = (1.0, 3.0, 2.0)[epoch]

    made = configuration(monitor="val_mi")
    folder = train(made, tmp_path / "run", verbose=0, callbacks=[Scripted()])
    state = folder.load_state()
    assert (state["best"], state["best_epoch"]) == (3.0, 2)
    assert load_model(folder.model).monitor == "val_mi"
    made = configuration(monitor="val_nll", epochs=1)
    folder = train(made, tmp_path / "other", verbose=0)
    assert folder.load_state()["best"] == pytest.approx(
        float(_rows(folder)[0]["val_nll"])
    )


def test_refuses_to_choose_by_what_is_not_logged(tmp_path, configuration):
    with pytest.raises(ValueError, match="must be one of val_loss.*Received: .*bleu"):
        train(configuration(monitor="val_bleu"), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run" / "recipe.json").exists()
    with pytest.raises(ValueError, match="Give `valid` too"):
        configuration(monitor="val_mi", valid=None)


def test_contexts_that_are_cut_are_told_from_sentences():
    rows = [{"text": "a b", "context": ["c d e", "f"]}] * 2
    limits = {"max_context_length": 2, "max_turns": 2, "too_long": "truncate"}
    batches = Batches(rows, batch_size=2, **limits)
    paths = types.SimpleNamespace(train="pairs.tsv", valid=None)
    line = next(_descriptions(paths, batches, None))
    cut = "2 cut as longer than 200, contexts than 2 tokens or 2 turns"
    assert cut in line and line.startswith("pairs.tsv: ")
