import json
import os

import pytest

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
        (["--out", "{tmp}/nowhere/page.html"], "--out must name a file"),
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


def test_a_folder_without_a_run(runs, tmp_path, error_of):
    assert "no run here" in error_of("report", runs["other"], tmp_path)
    assert not os.path.exists("report.html")
