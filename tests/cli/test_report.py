import json
import os

import pytest

from tests.reporting.conftest import KEPT
from tests.reporting.conftest import data_path as data_path
from tests.reporting.conftest import runs as runs
from tfvae.cli.main import main


def _contents(folder):
    return {
        os.path.join(place, name): os.path.getmtime(os.path.join(place, name))
        for place, _, names in os.walk(folder)
        for name in names
    }


def test_writes_page_and_metrics(runs, data_path, tmp_path, capsys):
    before = _contents(runs["lm"])
    out, metrics = tmp_path / "page.html", tmp_path / "metrics.json"
    arguments = ["report", runs["lm"], runs["other"], "--data", data_path]
    arguments += ["--metrics", "likelihood,latent", "--num-read", "2"]
    assert main([*arguments, "--out", str(out), "--json", str(metrics)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}: written; open it in a browser\n"
    assert captured.err == ""
    page = out.read_text("utf-8")
    found = json.loads(metrics.read_text())
    assert list(found) == ["lm"]
    assert f"{found['lm']['nll']:.3f}" in page
    assert "There is no latent to measure" in page
    assert _contents(runs["lm"]) == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--labels", "a"], "Give --data FILE too"),
        (["--metrics", "likelihood"], "Measuring needs sentences"),
        (["--num-drawn", "0"], "--num-drawn must be positive"),
        (["--samples", "-1"], "--samples must not be negative"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--out", "{tmp}/nowhere/page.html"], "--out must name a file"),
        (["--out", "-"], "--out must name a file. Received: -"),
        (["--data", "{tmp}/nowhere.txt"], "no such file"),
        (["--data", "{tmp}/empty.txt"], "holds no sentence"),
        (["--data", "{tmp}/two.txt", "--labels", "{tmp}/one.txt"], "1 labels, 2 sent"),
        (["--data", "{tmp}/two.txt", "--label-column", "kind"], "have columns"),
        (["--data", "{tmp}/two.txt", "--measures", "nll"], "Received: nll"),
    ],
)
def test_bad_option(runs, tmp_path, error_of, more, message):
    for name, text in (("empty", "\n"), ("one", "a\n"), ("two", "a\nb\n")):
        (tmp_path / f"{name}.txt").write_text(text)
    more = [each.format(tmp=tmp_path) for each in more]
    assert message in error_of("report", runs["other"], *more)


def test_longer_sentences_are_refused_or_noted(runs, tmp_path, error_of):
    path = tmp_path / "long.tsv"
    path.write_text("text\tkind\n\nthe food .\ta\n" + "word " * 17 + "\tb\n")
    out = tmp_path / "page.html"
    arguments = ["report", runs["lm"], "--data", str(path), "--out", str(out)]
    arguments += ["--metrics", "none", "--label-column", "kind"]
    line = error_of(*arguments, "--too-long", "error")
    assert "long.tsv, line 4: the text has 17 tokens, more than 16" in line
    for more, note in (
        ([], "1 were cut, having more than 16 tokens"),
        (["--max-length", "3"], "1 were cut, having more than 3 tokens"),
        (["--max-length", "17"], None),
    ):
        assert main([*arguments, *more]) == 0
        page = out.read_text("utf-8")
        assert note in page if note else "were cut" not in page


@pytest.mark.parametrize("labels", [[], ["--label-column", "2"]])
def test_a_table_without_names(runs, tmp_path, monkeypatch, labels):
    path, out = tmp_path / "rows.csv", tmp_path / "page.html"
    path.write_text("the first row .,a\nthe food .,b\n")
    asked = []

    def collect(folders, data, **options):
        asked.append(data)
        return []

    monkeypatch.setattr("tfvae.reporting.collect_runs", collect)
    monkeypatch.setattr("tfvae.reporting.render", lambda *_: "page")
    arguments = ["report", runs["lm"], "--data", str(path), "--out", str(out)]
    assert main([*arguments, "--column", "1", "--no-header", *labels]) == 0
    assert asked[0].texts == ["the first row .", "the food ."]
    assert asked[0].labels == (["a", "b"] if labels else None)


def test_metrics_on_standard_output(runs, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", runs["vae"], "--out", str(out), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["nll"] == KEPT["nll"]
    assert sorted(tmp_path.iterdir()) == [out]


def test_a_page_appears_whole(runs, tmp_path, monkeypatch, error_of):
    from tfvae import reporting

    out = tmp_path / "page.html"
    out.write_text("old")
    # Half of a pair is no character that a file can hold.
    monkeypatch.setattr(reporting, "render", lambda *_: "page" * 9999 + "\ud800")
    assert "surrogates" in error_of("report", runs["other"], "--out", out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_without_a_run(runs, tmp_path, error_of):
    assert "no run here" in error_of("report", runs["other"], tmp_path)
    assert not os.path.exists("report.html")
