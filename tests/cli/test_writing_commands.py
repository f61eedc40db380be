import argparse
import functools
import io
import json

import keras
import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.cli.main import main
from tfvae.cli.samplers import add_sampler, make_sampler
from tfvae.models import writing
from tfvae.models.beam_search import BeamSearch
from tfvae.models.sampling import Ancestral, Greedy, Nucleus, TopK
from tfvae.text import read_texts
from tfvae.training import Recipe, RunFolder

LOAD = RunFolder.load_model


def make_run(texts, folder, **overrides):
    """Writes a run folder whose model is as it begins."""
    keras.utils.set_random_seed(1)
    preset = overrides.pop("preset", "vae")
    recipe = Recipe(preset=preset, overrides={**TINY, **overrides}, **texts)
    tokenizer = recipe.make_tokenizer()
    tokenizer.adapt(read_texts(texts["train"]))
    run = RunFolder(folder)
    run.create(recipe)
    recipe.make_model(tokenizer, 1).save(run.model)
    return str(folder)


@pytest.fixture(scope="module")
def run(texts, tmp_path_factory):
    """The folder of a tiny run."""
    return make_run(texts, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch):
    monkeypatch.setattr(RunFolder, "load_model", lambda self: load(self.path))


@functools.cache
def load(path):
    """Loads a run's model once for all tests: no command here changes it."""
    return LOAD(RunFolder(path))


def error_of(capsys, arguments):
    """Checks that a command failed by one line and gives that line."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert line.startswith(f"tfvae {arguments[0]}: error: ")
    return line


def json_of(capsys, arguments):
    assert main([*arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("more", "kind", "fields"),
    [
        ([], Ancestral, {"temperature": 1.0, "allow_unknown": True}),
        (["--greedy", "--no-unknown"], Greedy, {"allow_unknown": False}),
        (["--sampler", "greedy"], Greedy, {}),
        (["--temperature", "0.5"], Ancestral, {"temperature": 0.5}),
        (["--sampler", "top_k", "--temperature", "2"], TopK, {"temperature": 2.0}),
        (["--top-k", "3", "--no-unknown"], TopK, {"k": 3, "allow_unknown": False}),
        (["--top-p", "0.5"], Nucleus, {"p": 0.5}),
        (["--beams", "2"], BeamSearch, {"num_beams": 2, "length_normalization": 0.0}),
        (["--length-normalization", "1"], BeamSearch, {"length_normalization": 1.0}),
    ],
)
def test_options_make_samplers(more, kind, fields):
    parser = argparse.ArgumentParser()
    add_sampler(parser, "ancestral")
    sampler = make_sampler(parser.parse_args(more))
    assert type(sampler) is kind
    assert {name: getattr(sampler, name) for name in fields} == fields


def test_writes_both_files_and_nothing_else(run, capsys, tmp_path):
    out, path = tmp_path / "out.txt", tmp_path / "out.json"
    arguments = ["generate", run, "--num", "5", "--batch-size", "3", "--seed", "4"]
    arguments += ["--max-length", "4", "--top-p", "0.8", "--no-unknown"]
    assert main([*arguments, "--out", str(out), "--json", str(path)]) == 0
    assert capsys.readouterr().out == ""
    found = json.loads(path.read_text())
    assert found["seed"] == 4 and len(found["texts"]) == 5
    assert out.read_text().splitlines() == found["texts"]
    assert all(len(text.split()) <= 4 for text in found["texts"])


@pytest.mark.parametrize("source", ["posterior", "aggregate"])
def test_generates_from_posteriors(run, texts, capsys, monkeypatch, source):
    asked = []
    make = getattr(writing, f"{source}_codes")

    def codes(model, data, **options):
        asked.append(options)
        return make(model, data, **options)

    monkeypatch.setattr(writing, f"{source}_codes", codes)
    arguments = ["generate", run, "--from", source, "--data", texts["valid"]]
    arguments += ["--num", "3", "--max-length", "5", "--seed", "7", "--greedy"]
    assert len(json_of(capsys, arguments)["texts"]) == 3
    assert asked == [{"max_length": 5, "seed": 7}]


class Pipe(io.StringIO):
    """Standard output that somebody stopped reading."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def write(self, text):
        raise BrokenPipeError

    def fileno(self):
        return self.file.fileno()


def test_a_reader_may_stop(run, tmp_path, monkeypatch, capsys):
    with open(tmp_path / "file", "w") as file:
        monkeypatch.setattr("sys.stdout", Pipe(file))
        status = main(["generate", run, "--num", "2", "--max-length", "2"])
        monkeypatch.undo()
    assert status == 0 and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--num", "0"], "--num must be positive. Received: 0"),
        (["--beams", "0"], "--beams must be at least 1. Received: 0"),
        (["--top-p", "0"], "--top-p must be in (0, 1]. Received: 0.0"),
        (["--top-p", "1.2"], "--top-p must be in (0, 1]. Received: 1.2"),
        (["--top-k", "0"], "--top-k must be at least 1. Received: 0"),
        (["--temperature", "nan"], "--temperature must be positive. Received: nan"),
        (["--length-normalization", "-1"], "must not be negative"),
        (["--sampler", "greedy", "--top-k", "3"], "does not go with --sampler greedy"),
        (["--greedy", "--sampler", "beam"], "--greedy does not go with"),
        (["--top-k", "3", "--top-p", "0.5"], "does not go with --sampler top_k"),
        (["--from", "posterior"], "--data goes with --from posterior"),
        (["--data", "x.txt"], "--data goes with --from posterior"),
        (["--from", "aggregate", "--data", "no.txt"], "no.txt: no such file"),
        (["--batch-size", "0"], "--batch-size must be positive"),
        (["--max-length", "0"], "--max-length must be positive"),
        (["--num", "1", "--out", "/nowhere/out.txt"], "/nowhere/out.txt"),
    ],
)
def test_bad_generation(run, capsys, more, message):
    assert message in error_of(capsys, ["generate", run, *more])


def test_empty_file(run, capsys, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for command in (
        ["generate", run, "--from", "aggregate", "--data", str(empty)],
        ["reconstruct", run, "--data", str(empty)],
        ["neighbours", run, "--data", str(empty), "--query", "the"],
    ):
        assert "holds no sentence" in error_of(capsys, command)


def test_reconstruct_draws(run, texts, capsys):
    arguments = ["reconstruct", run, "--data", texts["valid"], "--num", "2"]
    arguments += ["--samples", "3", "--temperature", "1", "--max-length", "20"]
    found = json_of(capsys, arguments)
    with open(texts["valid"]) as file:
        first, second = file.read().splitlines()[:2]
    assert [pair["text"] for pair in found] == [first] * 3 + [second] * 3
    main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"  {first}" and lines[4] == f"  {second}" and len(lines) == 8
    assert "--samples must be positive" in error_of(
        capsys, [*arguments[:4], "--samples", "0"]
    )


def test_interpolate_prior_and_sums(run, capsys):
    options = ["--steps", "3", "--max-length", "4"]
    found = json_of(capsys, ["interpolate", run, "--prior", "--seed", "2", *options])
    assert [row["fraction"] for row in found] == [0.0, 0.5, 1.0]
    # To take a sentence off and add it again leads nowhere.
    text = "the food was good ."
    same = ["--minus", text, "--plus", text]
    found = json_of(capsys, ["interpolate", run, "we left .", *same, *options])
    assert len({row["text"] for row in found}) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["a"], "Give two sentences"),
        (["a", "b", "--prior"], "none with --prior. Received: 2"),
        (["a", "b", "--minus", "c"], "one with --minus or --plus"),
        (["--prior", "--plus", "c"], "--prior does not go with"),
        (["a", "b", "--steps", "1"], "--steps must be at least 2. Received: 1"),
    ],
)
def test_bad_interpolation(run, capsys, more, message):
    assert message in error_of(capsys, ["interpolate", run, *more])


def test_neighbours_reuse_their_index(run, texts, capsys, tmp_path):
    index = str(tmp_path / "index.npz")
    with open(texts["valid"]) as file:
        query = file.read().splitlines()[0]
    arguments = ["neighbours", run, "--query", query, "--num", "3"]
    data = ["--data", texts["valid"]]
    (first,) = json_of(capsys, [*arguments, *data])
    assert len(first["neighbours"]) == 3
    assert query not in [row["text"] for row in first["neighbours"]]
    cosines = [row["cosine"] for row in first["neighbours"]]
    assert cosines == sorted(cosines, reverse=True)
    assert json_of(capsys, [*arguments, *data, "--index", index]) == [first]
    for again in ([], data):
        (found,) = json_of(capsys, [*arguments, *again, "--index", index])
        texts_found = [row["text"] for row in found["neighbours"]]
        assert texts_found == [row["text"] for row in first["neighbours"]]
    other = ["--data", texts["train"], "--index", index]
    assert "made of another text" in error_of(capsys, [*arguments, *other])


def test_index_of_another_run(run, texts, capsys, tmp_path):
    index = str(tmp_path / "index.npz")
    other = make_run(texts, tmp_path / "other", latent_dim=2)
    query = ["--query", "the food", "--index", index]
    assert main(["neighbours", other, "--data", texts["valid"], *query]) == 0
    capsys.readouterr()
    line = error_of(capsys, ["neighbours", run, *query])
    assert "another model, with codes of 2 numbers; this one's have 3" in line


def test_neighbours_of_unknown_words(run, texts, capsys):
    arguments = ["neighbours", run, "--data", texts["valid"], "--query"]
    assert main([*arguments, "zyx wvu", "--num", "1"]) == 0
    captured = capsys.readouterr()
    assert "knows no word of 'zyx wvu'" in captured.err
    assert len(captured.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Give --data FILE, --index FILE.npz, or both"),
        (["--index", "nowhere.npz"], "nowhere.npz: no such index"),
        (["--data", "nowhere.txt"], "nowhere.txt: no such file"),
        (["--data", "x", "--num", "0"], "--num must be positive"),
    ],
)
def test_bad_neighbours(run, capsys, more, message):
    arguments = ["neighbours", run, "--query", "the food", *more]
    assert message in error_of(capsys, arguments)


def test_needs_a_latent(texts, tmp_path, capsys):
    run = make_run(texts, tmp_path / "run", preset="language_model")
    assert main(["generate", run, "--num", "1", "--max-length", "3"]) == 0
    capsys.readouterr()
    for command in (
        ["generate", run, "--from", "posterior", "--data", texts["valid"]],
        ["reconstruct", run, "--data", texts["valid"]],
        ["interpolate", run, "a", "b"],
        ["interpolate", run, "--prior"],
        ["neighbours", run, "--data", texts["valid"], "--query", "a"],
    ):
        assert "LanguageModel has no latent" in error_of(capsys, command)
