import json
import os

import pytest
import tensorflow as tf

from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.text import WordpieceTokenizer, WordTokenizer
from tfvae.training import Recipe, RunFolder

WORDS = ["the", "food", "was", "good", "."]


def make_run(path, finished=True, tokenizer=None):
    """Writes the folder of a run, its model untrained."""
    overrides = {"embedding_dim": 6, "decoder_dim": 8}
    assert set(overrides) <= set(TINY)
    recipe = Recipe("language_model", "train.txt", overrides=overrides, max_length=5)
    folder = RunFolder(path)
    folder.create(recipe)
    tokenizer = tokenizer or WordTokenizer(vocabulary=WORDS)
    model = recipe.make_model(tokenizer, 1)
    model.save(folder.model)
    with open(folder.state, "w", encoding="utf-8") as file:
        json.dump({"epoch": 2, "finished": finished, "stopped": False}, file)
    return str(path)


def line_of(capsys, status):
    """Checks that a command failed by one line and gives that line."""
    assert status == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("tfvae export: error: ")
    return lines[0]


def test_export_of_a_run(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "mine")
    measures = tmp_path / "test.json"
    measures.write_text('{"nll": 12.5}')
    assert main(["export", run, "--measures", str(measures)]) == 0
    place = os.path.join("saved_models", "mine", "1")
    assert capsys.readouterr().out.startswith(f"{place}: written")
    signatures = tf.saved_model.load(place).signatures
    answer = signatures["generate"](
        seed=tf.constant([[1, 2]]), temperature=tf.constant([1.0])
    )
    # The run's own longest sentence, and the end mark.
    assert answer["token_ids"].shape == (1, 6)
    with open(os.path.join(place, "model_card.json")) as file:
        card = json.load(file)
    assert card["measures"] == {"nll": 12.5}
    assert card["run"]["recipe"]["preset"] == "language_model"
    with open(os.path.join(place, "README.md")) as file:
        assert "12.5" in file.read()
    line = line_of(capsys, main(["export", run, "--version", "1"]))
    assert "this version exists" in line


def test_unfinished_run(tmp_path, capsys):
    run = make_run(tmp_path / "run", finished=False)
    to = ["--to", str(tmp_path / "out" / "m"), "--no-warmup"]
    line = line_of(capsys, main(["export", run, *to]))
    assert "not finished (whole epochs so far: 2)" in line and "--unfinished" in line
    assert not os.path.exists(tmp_path / "out")
    assert main(["export", run, *to, "--unfinished", "--max-length", "2"]) == 0
    with open(tmp_path / "out" / "m" / "1" / "README.md") as file:
        assert "Exported before its training was finished" in file.read()


def test_wordpieces(tmp_path, capsys):
    pieces = WordpieceTokenizer(vocabulary=[*"abc", "##b", "##c"])
    run = make_run(tmp_path / "run", tokenizer=pieces)
    to = str(tmp_path / "m")
    arguments = ["export", run, "--to", to, "--no-warmup", "--max-length", "3"]
    assert main([*arguments, "--tensorflow-text"]) == 0
    text = tf.constant(
        ["ab cb", "abbbb", "", "\udcff".encode("utf-8", "surrogateescape")]
    )
    module = tf.saved_model.load(f"{to}_wordpiece/1")
    got = module.signatures["encode_wordpiece"](text=text)
    assert got["token_ids"].numpy().tolist() == [
        [4, 7, 6],
        [4, 7, 7],
        [0, 0, 0],
        [3, 0, 0],
    ]
    assert got["lengths"].numpy().tolist() == [3, 3, 0, 1]
    assert got["truncated"].numpy().tolist() == [True, True, False, False]
    plain = tf.saved_model.load(f"{to}/1").signatures["score"]
    scored = plain(text=text, seed=tf.zeros([4, 2], tf.int32))
    assert scored["num_tokens"].numpy().tolist() == [4, 4, 1, 2]
    assert (scored["truncated"].numpy() == got["truncated"].numpy()).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--max-length", "0"], "--max-length must be positive"),
        (["--samples", "0"], "num_samples"),
        (["--version", "-1"], "version"),
        (["--measures", "nowhere.json"], "nowhere.json"),
        (["--to", "-no name-"], "the model's name"),
    ],
)
def test_refused(tmp_path, capsys, more, message):
    run = make_run(tmp_path / "run")
    more = ["--to", str(tmp_path / "m"), *more]
    assert message in line_of(capsys, main(["export", run, *more]))
    assert not os.path.exists(tmp_path / "m")


def test_no_run(tmp_path, capsys):
    assert "no run here" in line_of(capsys, main(["export", str(tmp_path)]))
