"""Training patterns by the preset alone: whole runs, resumed ones, the command."""

import csv

import keras
import numpy as np
import pytest

from tests.training.test_train import Interrupt
from tfvae.cli.main import main
from tfvae.training import RunFolder, train

OPTIONS = {
    "lagging_vae": {"check_every": 2, "max_sub_steps": 3},
    # Five of fifteen steps: the first phase ends with the epoch that is resumed from.
    "prefb_vae": {"pretraining": 1 / 3},
}


def rows(folder):
    with open(folder.history, newline="") as file:
        return list(csv.DictReader(file))


def numbers(model):
    own = getattr(model.pattern, "encoder_optimizer", None)
    sources = [model, model.optimizer] + ([own] if own else [])
    return [v.numpy() for source in sources for v in source.variables]


@pytest.mark.slow
@pytest.mark.parametrize("preset", OPTIONS)
def test_resumed_run_equals_the_uninterrupted(tmp_path, recipe, preset):
    made = recipe(preset, overrides=OPTIONS[preset])
    whole = train(made, tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(made, tmp_path / "parts", verbose=0, callbacks=[Interrupt(1, 2)])
    assert RunFolder(tmp_path / "parts").load_state()["epoch"] == 1
    parts = train(made, tmp_path / "parts", resume=True, verbose=0)
    assert rows(parts) == rows(whole)
    for path in ("model", "last"):
        first, second = (
            keras.models.load_model(getattr(folder, path)) for folder in (whole, parts)
        )
        for one, other in zip(numbers(first), numbers(second), strict=True):
            np.testing.assert_array_equal(one, other)
    # The length of the run is counted in full updates of the objective.
    assert int(second.step) == 15
    num_epochs = {"lagging_vae": 3, "prefb_vae": 4}[preset]
    assert len(rows(parts)) == num_epochs
    if preset == "prefb_vae":
        assert rows(parts)[0]["nelbo"] == "nan" != rows(parts)[1]["nelbo"]
        assert parts.load_state()["best_epoch"] > 1


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        pytest.param("sa_vae", ["num_steps=2"], marks=pytest.mark.slow),
        pytest.param(
            "lagging_vae",
            ["check_every=1", "max_sub_steps=2"],
            marks=pytest.mark.slow,
        ),
        pytest.param("prefb_vae", ["pretraining=1"], marks=pytest.mark.slow),
    ],
)
def test_by_the_command(tmp_path, texts, preset, options):
    small = ["embedding_dim=6", "encoder_dim=8", "decoder_dim=8", "latent_dim=3"]
    arguments = ["train", preset, "--train", texts["train"], "--steps", "3"]
    arguments += ["--batch-size", "8", "--no-xla", "--quiet"]
    arguments += ["--out", str(tmp_path / "run")]
    for each in small + options:
        arguments += ["--set", each]
    assert main(arguments) == 0
    model = RunFolder(tmp_path / "run").load_model()
    assert int(model.step) == 3
