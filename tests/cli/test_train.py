import argparse
import contextlib
import io
import json
import pathlib
import shutil

import numpy as np
import pytest

from tests.support import eager_steps
from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.cli.train import add_configuration, make_configuration, parse_overrides
from tfvae.presets import SETTINGS
from tfvae.text import Batches
from tfvae.training import RunConfiguration, load_model, train

_SIZES = [f"{key}={value}" for key, value in TINY.items()]


# All commands that train here take a few steps.
pytestmark = pytest.mark.usefixtures("eagerly")


def _arguments(texts, out, *more):
    arguments = ["train", "vae", "--train", texts["train"], "--valid", texts["valid"]]
    arguments += ["--out", str(out), "--quiet", "--epochs", "1"]
    return [*arguments, "--batch-size", "20", "--set", *_SIZES, *more]


def test_arguments_make_the_configuration():
    parser = argparse.ArgumentParser()
    add_configuration(parser)
    line = (
        "--setting coupled --set beta=0.5 latent_dim=4 --steps 9 --xla never --seed 2"
    )
    args = parser.parse_args(line.split())
    args.preset, args.train, args.valid = "beta_vae", "train.txt", None
    assert make_configuration(args) == RunConfiguration(
        "beta_vae",
        "train.txt",
        setting="coupled",
        overrides={"beta": 0.5, "latent_dim": 4},
        steps=9,
        xla="never",
        seed=2,
    )


def test_the_help_names_every_setting():
    parser = argparse.ArgumentParser()
    add_configuration(parser)
    (option,) = (each for each in parser._actions if each.dest == "setting")
    assert [name for name in SETTINGS if name not in option.help] == []


def test_values_are_literals_or_words():
    pairs = ["a=0.5", "b=(1, 2)", "c=true", "d=none of it", "e=None"]
    expected = {"a": 0.5, "b": (1, 2), "c": True, "d": "none of it", "e": None}
    assert parse_overrides(pairs) == expected
    with pytest.raises(ValueError, match="KEY=VALUE.*'beta'"):
        parse_overrides(["beta"])


def test_says_what_is_next_and_keeps_the_run(trained, error_of):
    arguments, out, printed = trained
    assert f"tfvae evaluate {out}" in printed
    before = (out / "model.keras").read_bytes()
    assert "holds a run already" in error_of(*arguments)
    assert (out / "model.keras").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sentence"),
        (b"\n \n", "holds no sentence"),
        (b"fine\n\xff\xfe bad\n", "line 2: not UTF-8"),
        (b"a b\n\nc d e f g\n", "bad.txt, line 3: the text has 5 tokens, more than 4"),
        (b"a b\nc d e f g\n", "--too-long truncate"),
    ],
)
def test_bad_text(tmp_path, error_of, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    out = tmp_path / "run"
    arguments = ["train", "vae", "--train", path, "--out", out, "--max-length", "4"]
    assert message in error_of(*arguments)
    assert not out.exists()


def test_missing_text(tmp_path, error_of):
    line = error_of("train", "vae", "--train", "nowhere.txt", "--out", tmp_path)
    assert "nowhere.txt: no such file" in line


def test_missing_column(tmp_path, error_of):
    path = tmp_path / "rows.tsv"
    path.write_text("sentence\tlabel\nhello there\t1\n")
    arguments = ["train", "vae", "--train", path, "--out", tmp_path / "run"]
    line = error_of(*arguments, "--column", "sentense")
    assert "no column 'sentense'" in line and "Did you mean 'sentence'?" in line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "laten_dim=3"], "Did you mean 'latent_dim'?"),
        (["--set", "latent_dim"], "--set takes KEY=VALUE"),
        (["--set", "learning_rate=-1"], "`learning_rate` must be positive and finite"),
        (["--set", "learning_rate=1e999"], "`learning_rate` must be finite"),
        (["--set", "start=1e999"], "no key to set"),
        (["--set", "embedding_dim=-1"], "`embedding_dim` must be positive"),
        (["--set", "bridge_dims=(-3,)"], "`bridge_dims` must be a tuple of positive"),
        (["--set", "encoder_dropout=2.0"], "`encoder_dropout` must be in [0, 1)"),
        (["--set", "cycles=0"], "`cycles` must be positive"),
        (["--seed", "-1"], "`seed` must be from 0 to"),
        (["--set", "clip_norm=-1"], "`clip_norm` must be positive"),
        (["--set", "clip_value=0"], "`clip_value` must be positive"),
        (["--setting", "copla"], "Did you mean 'copula'?"),
        (["--batch-size", "1000"], "batch_size"),
        (["--resume"], "no run to resume"),
        (["--freeze", "decoder"], "(--from) too"),
        (["--from", "nowhere"], "nowhere: no run here"),
    ],
)
def test_bad_option(texts, tmp_path, error_of, more, message):
    assert message in error_of(*_arguments(texts, tmp_path / "run", *more))
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_model_that_is_too_large(texts, tmp_path, error_of):
    line = error_of(*_arguments(texts, tmp_path / "run", "embedding_dim=99999999999"))
    assert "not enough memory: " in line and "--batch-size" in line
    assert not (tmp_path / "run").exists()


def test_unknown_preset(tmp_path, error_of):
    line = error_of("train", "vaee", "--train", "x", "--out", tmp_path / "run")
    assert "Did you mean 'vae'?" in line


def test_presets_lists_everything(capsys, tmp_path):
    path = tmp_path / "presets.json"
    assert main(["presets", "--keys", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    for word in ("cyclical_vae", "copula", "latent_dim", "beta=0.8"):
        assert word in printed
    found = json.loads(path.read_text())
    assert found["presets"]["beta_vae"]["options"] == {"beta": 0.8}
    assert set(found) == {"presets", "settings"}


def test_shows_what_the_texts_hold(texts, tmp_path, capsys):
    path = tmp_path / "train.txt"
    text = pathlib.Path(texts["train"]).read_text()
    path.write_text("\n" + text + "word " * 200)
    arguments = _arguments({**texts, "train": str(path)}, tmp_path / "run")
    more = ["--max-length", "14", "--too-long", "drop"]
    assert main([*arguments, *more, "--unknown-share", "0.1"]) == 0
    train, valid = capsys.readouterr().out.splitlines()[:2]
    num_words = [len(line.split()) for line in text.splitlines()]
    kept = [num for num in num_words if num <= 14]
    dropped = len(num_words) - len(kept) + 1
    assert train == (
        f"{path}: 42 lines, {len(kept)} sentences, {sum(kept)} words, "
        f"{dropped} left out as longer than 14, 0.00% unknown"
    )
    assert valid.startswith(f"{texts['valid']}: 20 lines, ") and "% unknown" in valid
    tokenizer = load_model(tmp_path / "run").tokenizer
    assert "word" not in tokenizer.vocabulary
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["unknown_share"] == 0.1


def test_warns_of_texts_that_say_little(tmp_path):
    paths = {}
    for role, lines in (("train", "CCO\nCCN\nC1CC1\n"), ("valid", "CCC\nCON\n")):
        paths[role] = str(tmp_path / f"{role}.txt")
        pathlib.Path(paths[role]).write_text(lines * 8)

    class Stop(Exception):
        """Raised where training would begin."""

    def lines_of(num, **fields):
        lines = []

        def log(line):
            lines.append(line)
            if len(lines) == num:
                raise Stop

        made = RunConfiguration(
            "vae", epochs=1, batch_size=8, overrides=TINY, **paths, **fields
        )
        with pytest.raises(Stop):
            train(made, tmp_path / made.tokenizer, log=log)
        return lines

    found = lines_of(5)
    assert f"{paths['train']}: note: 24 of 24 sentences hold one word" in found[1]
    assert f"{paths['valid']}: note: 16 of 16 sentences hold one word" in found[3]
    assert f"{paths['valid']}: note: 100% of the tokens are unknown" in found[4]
    assert lines_of(2, tokenizer="character") == [
        f"{paths['train']}: 24 lines, 24 sentences, 24 words (88 tokens), "
        "0.00% unknown",
        f"{paths['valid']}: 16 lines, 16 sentences, 16 words (48 tokens), "
        "0.00% unknown",
    ]


@pytest.mark.parametrize(("steps", "last"), [("1", "1/1"), ("3", "1/1")])
def test_steps_are_shown_as_they_are(texts, tmp_path, capsys, steps, last):
    out = tmp_path / "run"
    arguments = _arguments(texts, out)
    at = arguments.index("--epochs")
    arguments[at : at + 2] = ["--steps", steps]
    if steps == "3":
        arguments.remove("--quiet")
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    unit_name = "step" if steps == "1" else "steps"
    assert f"{out}: {steps} {unit_name}, best" in printed
    assert last in printed and ("2/2" in printed) == (steps == "3")


@pytest.mark.slow
def test_a_rate_without_a_point(texts, tmp_path):
    more = ["learning_rate=1", "optimizer=sgd", "decay=cosine"]
    assert main(_arguments(texts, tmp_path / "run", *more)) == 0
    model = load_model(tmp_path / "run" / "last.keras")
    assert int(model.step) == 2
    rate = model.optimizer.learning_rate
    assert float(rate) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_a_text_that_vanishes(texts, tmp_path, monkeypatch, capsys):
    path = tmp_path / "train.txt"
    shutil.copy(texts["train"], path)
    arrays = Batches.arrays

    def vanishing(self, epoch=0):
        if self.shuffle and epoch == 1:
            path.unlink()
        return arrays(self, epoch)

    monkeypatch.setattr(Batches, "arrays", vanishing)
    arguments = _arguments({**texts, "train": str(path)}, tmp_path / "run")
    arguments[arguments.index("--epochs") + 1] = "3"
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{path}: no such file" in line


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("recipe.json", "{", "recipe.json: damaged or cut short"),
        ("recipe.json", "{}", "recipe.json: 'preset' is missing"),
        ("recipe.json", "[" * 100_000, "recipe.json: damaged"),
        ("state.json", "null", "state.json: must hold a JSON object"),
        ("state.json", '{"epoch": null}', "state.json: 'epoch' is missing"),
        ("state.json", None, "state.json: no such file"),
        ("last.keras", None, "last.keras: no such file"),
    ],
)
def test_damaged_runs(finished, error_of, name, content, message):
    arguments, out = finished
    path = out / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    arguments[arguments.index("--epochs") + 1] = "2"
    recipe = (out / "recipe.json").read_bytes()
    assert message in error_of(*arguments, "--resume")
    assert (out / "recipe.json").read_bytes() == recipe


@pytest.fixture(scope="module")
def trained(texts, tmp_path_factory):
    """Arguments of a run of one epoch of two steps, its folder and what it printed."""
    home = tmp_path_factory.mktemp("trained")
    arguments = _arguments(texts, home / "run")
    with eager_steps(), contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(arguments) == 0
    return arguments, home / "run", printed.getvalue()


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of that run, with the arguments to resume it."""
    arguments, run, _ = trained
    out = tmp_path / "run"
    shutil.copytree(run, out)
    arguments = [str(out) if each == str(run) else each for each in arguments]
    return arguments, out


@pytest.mark.slow
def test_a_longer_run_is_that_of_its_length(finished, tmp_path, capsys):
    arguments, out = finished
    with open(out / "history.csv", "a") as file:
        file.write("\n\n")
    arguments[arguments.index("--epochs") + 1] = "2"
    assert main([*arguments, "--resume"]) == 0
    assert f"{out}: 2 epochs, best" in capsys.readouterr().out
    whole = tmp_path / "whole"
    arguments[arguments.index("--out") + 1] = str(whole)
    assert main(arguments) == 0
    for name in ("recipe.json", "state.json", "history.csv"):
        assert (out / name).read_text() == (whole / name).read_text()
    models = [load_model(folder / "last.keras") for folder in (out, whole)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale_schedules", True, "its schedules are scaled to its length"),
        ("overrides", {**TINY, "decay": "cosine"}, "by a cosine of its length"),
        ("preset", "prefb_vae", "a share of its length"),
        ("epochs", 3, "it would be shorter"),
    ],
)
def test_runs_that_stay_as_long(finished, error_of, field, value, message):
    arguments, out = finished
    recipe = json.loads((out / "recipe.json").read_text())
    recipe[field] = value
    (out / "recipe.json").write_text(json.dumps(recipe))
    before = (out / "recipe.json").read_bytes()
    arguments[arguments.index("--epochs") + 1] = "2"
    if field == "scale_schedules":
        arguments.append("--scale-schedules")
    elif field == "preset":
        arguments[1] = value
    elif field == "overrides":
        arguments += ["--set", "decay=cosine"]
    assert message in error_of(*arguments, "--resume")
    assert (out / "recipe.json").read_bytes() == before


def _start_from(finished, texts, out, *more):
    _, source = finished
    arguments = ["train", "vae", "--from", str(source), "--train", texts["valid"]]
    arguments += ["--out", str(out), "--quiet", "--epochs", "1"]
    return [*arguments, "--batch-size", "10", *more]


@pytest.mark.parametrize(
    "part", ["decoder", pytest.param("embedding", marks=pytest.mark.slow)]
)
def test_starts_from_another_run(finished, texts, tmp_path, part):
    out = tmp_path / "tuned"
    assert main(_start_from(finished, texts, out, "--freeze", part)) == 0
    source, tuned = load_model(finished[1]), load_model(out)
    assert tuned.tokenizer.vocabulary == source.tokenizer.vocabulary
    assert int(tuned.step) == 2

    def weights(model, name):
        holder = model.decoder if name == "embedding" else getattr(model, name)
        return (holder.embedding if name == "embedding" else holder).get_weights()

    for name in ("encoder", "decoder", "embedding"):
        pairs = zip(weights(source, name), weights(tuned, name), strict=True)
        same = all(np.array_equal(one, other) for one, other in pairs)
        # The setting's decoder has an embedding of its own.
        assert same == (name == part or (name, part) == ("embedding", "decoder"))


@pytest.mark.slow
def test_a_frozen_part_stays_so_when_resumed(finished, texts, tmp_path):
    out = tmp_path / "tuned"
    arguments = _start_from(finished, texts, out, "--freeze", "decoder")
    assert main(arguments) == 0
    arguments[arguments.index("--epochs") + 1] = "2"
    assert main([*arguments, "--resume"]) == 0
    assert int(load_model(out / "last.keras").step) == 4
    one, other = (load_model(p) for p in (finished[1], out / "last.keras"))
    for first, second in zip(
        one.decoder.get_weights(), other.decoder.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_starts_from_a_run_that_fits(finished, texts, tmp_path, error_of):
    arguments = _start_from(finished, texts, tmp_path / "tuned")
    line = error_of(*arguments, "--set", "latent_dim=4")
    assert "the posterior of that run does not fit" in line
    assert "a Gaussian of" in line
    assert "takes the tokenizer" in error_of(*arguments, "--tokenizer", "wordpiece")
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "max_tokens=9"], "takes the vocabulary of that run along"),
        (["--set", "lowercase=true"], "Leave out lowercase"),
        (["--tokenizer", "word"], "takes the tokenizer of that run, character,"),
    ],
)
def test_a_vocabulary_comes_along(finished, texts, tmp_path, error_of, more, message):
    recipe = json.loads((finished[1] / "recipe.json").read_text())
    recipe["tokenizer"] = "character"
    # What that run was asked for has no meaning any more.
    recipe["overrides"]["min_count"] = 2
    (finished[1] / "recipe.json").write_text(json.dumps(recipe))
    line = error_of(*_start_from(finished, texts, tmp_path / "tuned", *more))
    assert message in line and "min_count" not in line
    assert not (tmp_path / "tuned").exists()


def test_a_part_that_is_not_there(language_model, texts, tmp_path, error_of):
    arguments = _start_from((None, language_model), texts, tmp_path / "tuned")
    arguments[1] = "language_model"
    line = error_of(*arguments, "--freeze", "encoder")
    assert "A LanguageModel has no encoder to freeze" in line
    assert not (tmp_path / "tuned").exists()
