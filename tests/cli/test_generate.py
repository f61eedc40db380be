import io
import json
import pathlib

import pytest

from tests.reporting.conftest import make_run
from tfvae.cli.main import main
from tfvae.models import writing


@pytest.fixture
def json_of(capsys):
    """Returns what a command prints as JSON."""

    def run(*arguments):
        assert main([*arguments, "--json", "-"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_generate_is_reproducible(run, json_of):
    first = json_of("generate", run, "--num", "3", "--seed", "5")
    assert json_of("generate", run, "--num", "3", "--seed", "5") == first
    other = json_of("generate", run, "--num", "3", "--seed", "6")
    assert other["texts"] != first["texts"]
    assert len(first["texts"]) == 3


def test_generate_greedy(run, capsys):
    assert main(["generate", run, "--num", "2", "--greedy", "--max-length", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(len(line.split()) <= 4 for line in lines)


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
def test_generates_from_posteriors(run, texts, json_of, monkeypatch, source):
    asked = []
    make = getattr(writing, f"{source}_codes")

    def codes(model, data, **options):
        asked.append(options)
        return make(model, data, **options)

    monkeypatch.setattr(writing, f"{source}_codes", codes)
    arguments = ["generate", run, "--from", source, "--data", texts["valid"]]
    arguments += ["--num", "3", "--max-length", "5", "--seed", "7", "--greedy"]
    assert len(json_of(*arguments)["texts"]) == 3
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
        (["--temperature", "0"], "--temperature must be positive. Received: 0.0"),
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
def test_bad_generation(run, error_of, more, message):
    assert message in error_of("generate", run, *more)


def test_empty_file(run, error_of, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for command in (
        ["generate", run, "--from", "aggregate", "--data", str(empty)],
        ["reconstruct", run, "--data", str(empty)],
        ["neighbours", run, "--data", str(empty), "--query", "the"],
    ):
        assert "holds no sentence" in error_of(*command)


def test_reconstruct_pairs_lines(run, texts, json_of):
    pairs = json_of("reconstruct", run, "--data", texts["valid"], "--num", "4")
    with open(texts["valid"]) as file:
        assert [pair["text"] for pair in pairs] == file.read().splitlines()[:4]


def test_reconstruct_samples(run, texts, capsys, json_of, error_of):
    arguments = ["reconstruct", run, "--data", texts["valid"], "--num", "2"]
    arguments += ["--samples", "3", "--temperature", "1", "--max-length", "20"]
    found = json_of(*arguments)
    with open(texts["valid"]) as file:
        first, second = file.read().splitlines()[:2]
    assert [pair["text"] for pair in found] == [first] * 3 + [second] * 3
    main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"  {first}" and lines[4] == f"  {second}" and len(lines) == 8
    assert "--samples must be positive" in error_of(*arguments[:4], "--samples", "0")


def test_interpolate_has_both_ends(run, json_of):
    ends = ["the waiter was kind .", "we left ."]
    rows = json_of("interpolate", run, *ends, "--steps", "3")
    assert [row["fraction"] for row in rows] == [0.0, 0.5, 1.0]


def test_interpolate_prior_and_sums(run, json_of):
    options = ["--steps", "3", "--max-length", "4"]
    found = json_of("interpolate", run, "--prior", "--seed", "2", *options)
    assert [row["fraction"] for row in found] == [0.0, 0.5, 1.0]
    # To take a sentence off and add it again leads nowhere.
    text = "the food was good ."
    same = ["--minus", text, "--plus", text]
    found = json_of("interpolate", run, "we left .", *same, *options)
    assert len({row["text"] for row in found}) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["a"], "Give two sentences"),
        (["a", "b", "--prior"], "none with --prior. Received: 2"),
        (["a", "b", "--minus", "c"], "one with --minus or --plus"),
        (["--prior", "--plus", "c"], "--prior does not go with"),
        (["  ", "fine"], "needs words"),
        (["a", "b", "--steps", "1"], "--steps must be at least 2. Received: 1"),
    ],
)
def test_bad_interpolation(run, error_of, more, message):
    assert message in error_of("interpolate", run, *more)


def test_neighbours_reuse_their_index(run, texts, json_of, error_of, tmp_path):
    index = str(tmp_path / "index.npz")
    with open(texts["valid"]) as file:
        query = file.read().splitlines()[0]
    arguments = ["neighbours", run, "--query", query, "--num", "3"]
    data = ["--data", texts["valid"]]
    (first,) = json_of(*arguments, *data)
    assert len(first["neighbours"]) == 3
    assert query not in [row["text"] for row in first["neighbours"]]
    cosines = [row["cosine"] for row in first["neighbours"]]
    assert cosines == sorted(cosines, reverse=True)
    assert json_of(*arguments, *data, "--index", index) == [first]
    for again in ([], data):
        (found,) = json_of(*arguments, *again, "--index", index)
        texts_found = [row["text"] for row in found["neighbours"]]
        assert texts_found == [row["text"] for row in first["neighbours"]]
    other = ["--data", texts["train"], "--index", index]
    assert "made of another text" in error_of(*arguments, *other)


def test_index_of_another_run(run, texts, capsys, error_of, tmp_path):
    index = str(tmp_path / "index.npz")
    other = make_run(texts, tmp_path / "other", overrides={"latent_dim": 2})
    query = ["--query", "the food", "--index", index]
    assert main(["neighbours", other, "--data", texts["valid"], *query]) == 0
    capsys.readouterr()
    line = error_of("neighbours", run, *query)
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
def test_bad_neighbours(run, error_of, more, message):
    arguments = ["neighbours", run, "--query", "the food", *more]
    assert message in error_of(*arguments)


def test_needs_a_latent(language_model, texts, capsys, error_of):
    run = language_model
    assert main(["generate", run, "--num", "1", "--max-length", "3"]) == 0
    capsys.readouterr()
    for command in (
        ["generate", run, "--from", "posterior", "--data", texts["valid"]],
        ["reconstruct", run, "--data", texts["valid"]],
        ["interpolate", run, "a", "b"],
        ["interpolate", run, "--prior"],
        ["neighbours", run, "--data", texts["valid"], "--query", "a"],
    ):
        assert "LanguageModel has no latent" in error_of(*command)


def test_needs_a_run(run, tmp_path, error_of):
    assert "no run here" in error_of("generate", tmp_path, "--num", "1")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_model(run, tmp_path, error_of, share):
    run = pathlib.Path(run)
    content = (run / "model.keras").read_bytes()
    (tmp_path / "model.keras").write_bytes(content[: int(len(content) * share)])
    (tmp_path / "recipe.json").write_bytes((run / "recipe.json").read_bytes())
    assert "damaged" in error_of("generate", tmp_path, "--num", "1")
