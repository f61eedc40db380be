import pathlib

import numpy as np
import pytest

from tests.reporting.conftest import make_run
from tfvae.cli.main import main
from tfvae.training import RunFolder


def test_codes_answer_lines(run, tmp_path, capsys):
    path = tmp_path / "text.txt"
    path.write_text("the food was good .\n\nwe left .\n")
    model = RunFolder(run).load_model()
    sentences = ["the food was good .", "we left ."]
    for samples in (None, 3):
        more = [] if samples is None else ["--samples", str(samples), "--seed", "5"]
        options = {"num_samples": samples, "seed": 5 if samples else 0}
        expected = model.encode(sentences, **options)
        for name in ("codes.npz", "codes.tsv"):
            out = tmp_path / name
            arguments = ["encode", run, "--data", str(path), "--out", str(out)]
            assert main([*arguments, *more]) == 0
            assert "sentences: 2" in capsys.readouterr().out
        with np.load(tmp_path / "codes.npz") as found:
            np.testing.assert_array_equal(found["codes"], expected)
            assert found["lines"].tolist() == [1, 3]
        names, *rows = (tmp_path / "codes.tsv").read_text().splitlines()
        rows = np.array([row.split("\t") for row in rows], float)
        if samples is None:
            assert names.split("\t") == ["line", "z1", "z2", "z3"]
            assert rows[:, 0].tolist() == [1, 3]
            np.testing.assert_array_equal(rows[:, 1:].astype("f"), expected)
        else:
            assert names.split("\t")[:2] == ["line", "sample"]
            assert rows[:, :2].tolist() == [[n, s] for n in (1, 3) for s in (1, 2, 3)]
            np.testing.assert_array_equal(
                rows[:, 2:].astype("f"), expected.swapaxes(0, 1).reshape(6, 3)
            )


def test_bad_output(run, texts, tmp_path, error_of):
    arguments = ["encode", run, "--data", texts["valid"], "--out"]
    assert "must end in .npz or .tsv" in error_of(*arguments, tmp_path / "codes.csv")
    assert "a folder that exists" in error_of(*arguments, tmp_path / "no" / "c.npz")
    assert list(tmp_path.iterdir()) == []


def test_neighbours_reuse_their_index(run, texts, json_of, error_of, tmp_path):
    index = str(tmp_path / "index.npz")
    with open(texts["valid"]) as file:
        query = file.read().splitlines()[0]
    arguments = ["neighbours", run, "--query", query, "--num", "3"]
    data = ["--data", texts["valid"]]
    (first,) = json_of(*arguments, *data)
    assert len(first["neighbours"]) == 3
    assert query not in [row["text"] for row in first["neighbours"]]
    lines = pathlib.Path(texts["valid"]).read_text().splitlines()
    assert all(lines[row["line"] - 1] == row["text"] for row in first["neighbours"])
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
