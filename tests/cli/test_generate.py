import io
import json
import os
import pathlib
import threading

import pytest

from tfvae.cli.main import main
from tfvae.models import writing
from tfvae.training import RunFolder


def test_generate_is_reproducible(run, json_of):
    first = json_of("generate", run, "--num", "3", "--seed", "5")
    assert json_of("generate", run, "--num", "3", "--seed", "5") == first
    other = json_of("generate", run, "--num", "3", "--seed", "6")
    assert other["texts"] != first["texts"]
    assert len(first["texts"]) == 3


def test_generate_greedy(run, capsys):
    assert main(["generate", run, "--num", "2", "--greedy", "--max-written", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(len(line.split()) <= 4 for line in lines)


def test_writes_both_files_and_nothing_else(run, capsys, tmp_path):
    out, path = tmp_path / "out.txt", tmp_path / "out.json"
    arguments = ["generate", run, "--num", "5", "--batch-size", "3", "--seed", "4"]
    arguments += ["--max-written", "4", "--top-p", "0.8", "--no-unknown"]
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
    arguments += ["--too-long", "truncate"]
    assert len(json_of(*arguments)["texts"]) == 3
    assert asked == [{"max_length": 5, "seed": 7}]


@pytest.mark.parametrize("source", ["prior", "aggregate"])
def test_completes_a_beginning(run, texts, json_of, error_of, capsys, source):
    data = [] if source == "prior" else ["--data", texts["valid"]]
    arguments = ["generate", run, "--num", "2", "--greedy", "--from", source, *data]
    whole = json_of(*arguments, "--max-written", "6")["texts"][0].split()
    beginning = " ".join(whole[:2])
    arguments += ["--max-written", "4", "--prefix"]
    found = json_of(*arguments, beginning)["texts"]
    assert found[0].split() == whole
    assert all(text.startswith(beginning) for text in found)
    assert "--prefix needs words" in error_of(*arguments, " ")
    assert main([*arguments, "the xyzzy"]) == 0
    captured = capsys.readouterr()
    assert "does not know every word of 'the xyzzy'" in captured.err
    assert captured.out.startswith("the <unk>")


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
        status = main(["generate", run, "--num", "2", "--max-written", "2"])
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
        (["--max-length", "9"], "--max-written limits those that are written"),
        (["--max-written", "0"], "--max-written must be positive"),
        (["--num", "1", "--out", "/nowhere/out.txt"], "/nowhere/out.txt"),
        (["--out", "x.txt", "--json", "x.txt"], "must name different files"),
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
        ["encode", run, "--data", str(empty), "--out", str(tmp_path / "codes.npz")],
        ["encode", run, "--data", str(empty), "--out", str(tmp_path / "codes.tsv")],
    ):
        assert "holds no sentence" in error_of(*command)


def test_reconstruct_pairs_lines(run, texts, json_of):
    pairs = json_of("reconstruct", run, "--data", texts["valid"], "--num", "4")
    with open(texts["valid"]) as file:
        assert [pair["text"] for pair in pairs] == file.read().splitlines()[:4]


def test_reconstruct_samples(run, texts, capsys, json_of, error_of):
    arguments = ["reconstruct", run, "--data", texts["valid"], "--num", "2"]
    arguments += ["--samples", "3", "--temperature", "1", "--max-written", "20"]
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
    options = ["--steps", "3", "--max-written", "4"]
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


def test_needs_a_latent(language_model, texts, capsys, error_of):
    run = language_model
    assert main(["generate", run, "--num", "1", "--max-written", "3"]) == 0
    capsys.readouterr()
    for command in (
        ["generate", run, "--from", "posterior", "--data", texts["valid"]],
        ["reconstruct", run, "--data", texts["valid"]],
        ["interpolate", run, "a", "b"],
        ["interpolate", run, "--prior"],
        ["neighbours", run, "--data", texts["valid"], "--query", "a"],
        ["encode", run, "--data", texts["valid"], "--out", "codes.npz"],
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


def _stop_at(monkeypatch, number, error):
    """Makes generation fail at a sentence."""
    generate = writing.generate

    def failing(*arguments, **options):
        for index, text in enumerate(generate(*arguments, **options)):
            if index == number:
                raise error
            yield text

    monkeypatch.setattr(writing, "generate", failing)


def test_an_error_leaves_older_files(run, tmp_path, monkeypatch, error_of):
    paths = [tmp_path / "out.txt", tmp_path / "out.json"]
    for path in paths:
        path.write_text("old")
    _stop_at(monkeypatch, 2, OSError(28, "No space left on device"))
    files = ["--out", paths[0], "--json", paths[1]]
    line = error_of("generate", run, "--num", "4", "--max-written", "3", *files)
    assert "No space left on device" in line and str(tmp_path) in line
    assert [path.read_text() for path in paths] == ["old", "old"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_device_is_written_to(run, error_of):
    arguments = ["generate", run, "--num", "1", "--max-written", "3", "--out"]
    assert main([*arguments, os.devnull]) == 0
    assert not os.path.isfile(os.devnull)
    assert "No space left on device" in error_of(*arguments, "/dev/full")


def test_a_longer_sentence_is_refused_by_its_line(run, tmp_path, error_of, capsys):
    path = tmp_path / "long.txt"
    path.write_text("the food\n\n" + "word " * 300)
    out = ["--out", tmp_path / "codes.tsv"]
    for command in (
        ["generate", run, "--from", "aggregate", "--data", path],
        ["reconstruct", run, "--data", path],
        ["neighbours", run, "--data", path, "--query", "the food"],
        ["encode", run, "--data", path, *out],
    ):
        line = error_of(*command)
        assert f"{path}, line 3: the sentence has 300 tokens, more than 200" in line
        assert "--too-long truncate or drop" in line
    options = ["--max-length", "2"]
    line = error_of("interpolate", run, "we left .", "we", *options)
    assert "'we left .': the sentence has 3 tokens, more than 2" in line
    line = error_of("neighbours", run, "--data", path, "--query", "we left .", *options)
    assert "'we left .'" in line and line.endswith("--too-long truncate.")
    more = ["--too-long", "truncate", "--steps", "2", "--max-written", "3"]
    assert main(["interpolate", run, "we left .", "we", *options, *more]) == 0


def test_sentences_differ_after_the_sixtieth_word(run, tmp_path, capsys):
    start = "the food was good . " * 13
    path = tmp_path / "two.txt"
    path.write_text(f"{start}we left .\n{start}the waiter was kind .\n")
    arguments = ["encode", run, "--data", str(path), "--out", str(tmp_path / "c.tsv")]

    def codes(*more):
        assert main([*arguments, *more]) == 0
        rows = (tmp_path / "c.tsv").read_text().splitlines()
        return [row.split("\t")[1:] for row in rows[1:]]

    first, second = codes()
    assert first != second
    assert capsys.readouterr().err == ""
    first, second = codes("--max-length", "60", "--too-long", "truncate")
    assert first == second
    assert "2 sentences were cut, having more than 60" in capsys.readouterr().err
    assert main([*arguments, "--max-length", "68", "--too-long", "drop"]) == 0
    captured = capsys.readouterr()
    assert "1 sentence was left out" in captured.err
    assert "written, sentences: 1" in captured.out


def test_blank_lines_keep_their_place(run, tmp_path, json_of, capsys):
    path = tmp_path / "blank.txt"
    path.write_text("\nthe food was good .\n \nwe left .\n")
    arguments = ["reconstruct", run, "--data", str(path), "--max-written", "4"]
    for samples in (1, 2):
        more = ["--samples", str(samples)]
        found = json_of(*arguments, *more)
        assert [row["line"] for row in found] == [
            line for line in (1, 2, 3, 4) for _ in range(samples)
        ]
        blank = [row for row in found if row["line"] in (1, 3)]
        assert all(row["text"] == row["reconstruction"] == "" for row in blank)
        assert main([*arguments, *more]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 4 * (1 + samples)
        assert lines[:2] == ["", ">"] and lines[1 + samples] == "  the food was good ."
    # The first two lines.
    assert [row["line"] for row in json_of(*arguments, "--num", "2")] == [1, 2]


def test_a_pipe_is_read_once(run, tmp_path, json_of, error_of):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def fill():
        path.write_text("the food\nwe left .\n")

    threading.Thread(target=fill).start()
    options = ["--data", str(path), "--max-written", "3"]
    assert len(json_of("reconstruct", run, *options)) == 2
    for command in (
        ["generate", run, "--from", "posterior", *options],
        ["evaluate", run, "--data", path],
        ["train", "vae", "--train", path, "--out", tmp_path / "run"],
    ):
        assert "a pipe can be read only once" in error_of(*command)
    assert not (tmp_path / "run").exists()


def test_columns_by_name_and_number(run, tmp_path, json_of, error_of):
    path = tmp_path / "rows.csv"
    path.write_text('1,"we left, then"\n0,fine\n')
    arguments = ["reconstruct", run, "--data", str(path), "--max-written", "3"]
    found = json_of(*arguments, "--column", "2", "--no-header")
    assert [row["text"] for row in found] == ["we left, then", "fine"]
    assert "no column 'text'" in error_of(*arguments)


def test_the_last_model(run, tmp_path, json_of, error_of):
    arguments = ["generate", run, "--num", "2", "--max-written", "4"]
    first = json_of(*arguments)
    assert "last.keras: no model yet" in error_of(*arguments, "--last")
    folder = RunFolder(run)
    os.symlink(folder.model, folder.last)
    try:
        assert json_of(*arguments, "--last") == first
    finally:
        os.remove(folder.last)
