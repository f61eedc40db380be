import argparse
import json
import math
import shlex

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import configuration as configuration
from tfvae.cli.train import TRAIN, parse_overrides
from tfvae.reporting.run_record import command_of, read_history, read_run
from tfvae.training import RunConfiguration, RunFolder
from tfvae.training.run_folder import NEW_STATE


def test_command_repeats_the_run():
    configuration = RunConfiguration(
        "beta_vae",
        "a b.txt",
        setting="coupled",
        valid="v.txt",
        overrides={**TINY, "beta": 0.5, "bridge_dims": (3, 4), "decay": "cosine"},
        epochs=3,
        patience=2,
        too_long="drop",
        scale_schedules=True,
        xla="never",
        header=False,
        start_from="runs/a b",
        freeze="decoder",
        seed=4,
    )
    parser = argparse.ArgumentParser()
    TRAIN.add_arguments(parser)
    words = shlex.split(command_of(configuration, "out folder").replace("\\\n", ""))
    args = parser.parse_args(words[2:])
    assert args.out == "out folder"
    assert parse_overrides(args.set) == configuration.overrides
    for name, value in vars(configuration).items():
        if name not in ("overrides", "tokenizer", "label_names"):
            assert getattr(args, name) == value
    # None stands for words, unless a run to start from has another one.
    assert args.tokenizer is None and configuration.tokenizer == "word"


def test_history(tmp_path):
    path = tmp_path / "history.csv"
    assert read_history(path) == {}
    path.write_text("epoch,kl,val_kl\n")
    assert read_history(path) == {}
    path.write_text("epoch,kl,val_kl\n0,1.5,NA\n1,2.5,0.25\n")
    found = read_history(path)
    assert found["epoch"] == [0, 1] and found["kl"] == [1.5, 2.5]
    assert math.isnan(found["val_kl"][0]) and found["val_kl"][1] == 0.25
    for row in ("0,1.5", "0,x,1"):
        path.write_text(f"epoch,kl,val_kl\n{row}\n")
        with pytest.raises(ValueError, match="history.csv"):
            read_history(path)


@pytest.fixture
def folder(configuration, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create(configuration())
    return tmp_path / "run"


def test_unfinished(folder):
    assert "not finished an epoch" in read_run(folder).notes[0]
    state = {**NEW_STATE, "epoch": 3, "best_epoch": 2}
    (folder / "last.keras").touch()
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "history.csv").write_text("epoch,kl\n0,1\n1,2\n2,3\n")
    record = read_run(folder)
    assert "unfinished: 3 epochs" in record.notes[0]
    assert record.best_row == 1


def test_kept_metrics(folder):
    (folder / "b.json").write_text('{"nll": 1.0}')
    (folder / "trial.json").write_text('{"trial": 3, "metrics": {"kl": 2.0}}')
    (folder / "a.json").write_text('{"unheard": 1.0}')
    results = read_run(folder).results
    assert results == [("b.json", {"nll": 1.0}), ("trial.json", {"kl": 2.0})]
    (folder / "b.json").write_text("{")
    with pytest.raises(ValueError, match="b.json: not JSON"):
        read_run(folder)


def test_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run here"):
        read_run(tmp_path)
