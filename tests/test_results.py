"""The pages with measured figures are what their command makes of the measurements."""

import json
import pathlib

import pytest

from tests.support import ROOT, load_script


@pytest.fixture(scope="module")
def results():
    return load_script("results")


def test_pages_are_what_the_measurements_say(results):
    pages = results.make_pages(str(ROOT / "docs"))
    assert len(pages) > 1
    for path, text in pages.items():
        found = pathlib.Path(path).read_text(encoding="utf-8")
        assert found == text, f"{path}: run scripts/results.py"


def test_measurements_say_where_they_come_from():
    paths = sorted((ROOT / "docs/results").glob("*/*.json"))
    assert paths
    for path in paths:
        row = json.loads(path.read_text())
        assert path.stem == f"{row['row']}-{row['seed']}"
        assert row["command"].startswith("scripts/reproduce.py ") and row["commit"]
        assert row["steps"] > 0 and row["metrics"]
        below = row["metrics"].get("nll_above_entropy", 0.0)
        assert below > -4 * row["metrics"].get("nll_above_entropy_se", 1.0), path


def test_a_target_of_the_kl_was_met():
    path = ROOT / "docs/results/grammar/target_kl_vae-0.json"
    metrics = json.loads(path.read_text())["metrics"]
    assert metrics["kl"] == pytest.approx(5.0, rel=0.05)
    assert metrics["latent_gain"] > 1.0


def test_a_cell_is_a_mean_and_a_deviation(results):
    runs = [{"metrics": {"kl": value}} for value in (1.0, 2.0, 6.0)]
    # (4 + 1 + 9) / 2 = 7.
    assert results.cell(runs, "kl") == "3.00 ± 2.65"
    assert results.cell(runs[:1], "kl") == "1.00"
    assert results.cell([{"metrics": {"active_units": 16}}], "active_units") == "16"
    assert results.cell([{"metrics": {"kl": -0.001}}], "kl") == "0.00"
    assert results.cell(runs, "mi") == ""


def test_marks_and_blocks(results):
    rows = {"grammar": {"vae": [{"metrics": {"nll": 1.5}}]}}
    page = results.filled("It is {{grammar vae nll}}.", rows, {}, {})
    assert page == "It is 1.50."
    with pytest.raises(ValueError, match="no mark .*other"):
        results.filled("{{other}}", rows, {}, {})
    page = "a\n<!-- measured: vae -->\nold\n<!-- end -->\nb"
    made = results.with_blocks(page, lambda name: f"new {name}")
    assert made == page.replace("old", "new vae")
    assert results.with_blocks(made, lambda name: f"new {name}") == made


def test_what_a_page_says_of_its_preset(results):
    from tfvae.presets import PRESETS

    run = [{"metrics": {"nll": 1.5}}]
    names = ["vae", "wae", "coupled_vae", "coupled_wae", "dae"]
    rows = {"grammar": dict.fromkeys(names, run)}

    def shown(page, rows=rows):
        lines = results.measured(page, rows, PRESETS).splitlines()
        return {line.split("`")[1] for line in lines if line.startswith("| `")}

    assert shown("wae") == {"vae", "wae", "coupled_wae"}
    assert shown("coupled") == set(names) - {"dae"}
    assert shown("beta_vae") == shown("coupled", {"grammar": {"vae": run}}) == set()


def test_transfers_of_style_by_direction(results):
    run = {
        "metrics": {
            "transfer_accuracy": 0.75,
            "transfer_directions": {
                "bad to good": {"transfer_accuracy": 0.5},
                "good to bad": {"transfer_accuracy": 1.0},
            },
        },
        "shown": [["a | b", "good", "c"]],
    }
    rows = {"yelp": {"arae": [run]}, "style": {}}
    page = results.filled("{{directions yelp}}", rows, {}, {})
    assert page.splitlines()[2:] == [
        "| `arae, bad to good` | 0.50 | 1 |",
        "| `arae, good to bad` | 1.00 | 1 |",
    ]
    page = results.filled("{{shown yelp dae arae}}", rows, {}, {})
    assert page.splitlines()[0] == "| sentence | to | `arae` |"
    assert page.splitlines()[2:] == ["| a \\| b | good | c |"]
    empty = results.filled("{{directions style}} {{shown style arae}}", rows, {}, {})
    assert empty == "None yet. None yet."


def test_responses_to_the_same_contexts(results):
    rows = {
        "dialogue": {
            "cvae": [{"shown": [["so ?", ["yes .", "no ."]]]}],
            "ivae_dialogue": [{"shown": [[["hi .", "so ?"], ["maybe .", "."]]]}],
        }
    }
    page = results.filled("{{shown dialogue cvae ivae_dialogue}}", rows, {}, {})
    assert page.splitlines() == [
        "| context | `cvae` | `ivae_dialogue` |",
        "|---|---|---|",
        "| hi .<br>so ? | yes .<br>no . | maybe .<br>. |",
    ]
