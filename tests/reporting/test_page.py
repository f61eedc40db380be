import re
import sys

import pytest

from tests.reporting.conftest import KEPT
from tests.reporting.parsed import Page
from tfvae import __version__
from tfvae.evaluation.metrics import METRICS
from tfvae.presets import get_preset
from tfvae.reporting import make_report
from tfvae.reporting.page import Column, _text, table_of, verdicts


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def _rows(page):
    """Returns the cells of the table of metrics by key, the unit last."""
    found = {}
    for index in page.find("tr"):
        if key := page.attrs(index).get("data-key"):
            last = next((i for i in page.find("tr") if i > index), len(page.elements))
            cells = [i for i in page.find("td") if index < i < last]
            found[key] = [page.text(i) for i in cells]
    return found


def test_all_metrics_stand_in_their_columns(page, records):
    rows = _rows(page)
    measured = records[2].results[0].metrics
    assert set(rows) == (set(KEPT) | set(measured)) - {"notes"}
    nll = f"{measured['nll']:.3f}"
    assert rows["nll"] == ["12.250", "–", nll, "nats/sentence"]
    assert rows["mi"] == ["0.750", "–", "–", "nats"]
    assert rows["nll_method"][:3] == ["importance weighted", "–", "exact"]
    assert rows["num_tokens"][0] == "12,345"
    assert rows["gradient_memory"] == ["0.000125", "–", "–", "1/unit"]
    assert rows["num_sentences"] == ["–", "–", "20", ""]


def test_says_whether_the_decoder_reads_the_code():
    columns = [
        Column("read", "test", {"latent_gain": 2.0, "latent_gain_se": 0.1}),
        Column("unread", "test", {"latent_gain": 0.01, "latent_gain_se": 0.001}),
        Column("unsure", "test", {"latent_gain": 0.5, "latent_gain_se": 0.2}),
        Column("without", "test", {"nll": 1.0}),
    ]
    found = dict(verdicts(columns))
    assert set(found) == {"read", "unread", "unsure"}
    assert found["read"].startswith("yes") and "2.00 ± 0.10" in found["read"]
    assert all("collapsed" in found[name] for name in ("unread", "unsure"))


def test_definitions_are_at_hand(page):
    for key in _rows(page):
        words = METRICS[key].definition.replace("`", "")
        (tip,) = page.find(id=f"tip-{key}")
        (note,) = page.find("li", id=f"note-{key}")
        assert page.attrs(tip)["role"] == "tooltip"
        assert page.text(tip).endswith(words) and page.text(note).endswith(words)
        (term,) = page.find("span", aria_describedby=f"tip-{key}")
        assert page.attrs(term)["tabindex"] == "0"
        assert page.find("a", href=f"#note-{key}")


def test_every_picture_says_what_it_shows(page, html):
    pictures = page.find("div", class_="picture")
    alts = [page.attrs(index)["aria-label"] for index in pictures]
    # Loss, nelbo, nll, reconstruction, kl; plane; units, scales, map.
    assert len(pictures) == len(page.find("figure")) == html.count("<svg") == 9
    assert len(set(alts)) == len(alts)
    assert all(page.attrs(index)["role"] == "img" for index in pictures)
    course = "vae over 2 epochs: training from 4 to 3.5, validation from 3 to 2.75"
    assert alts[4].startswith("KL, nats/sentence. ") and alts[4].endswith(course)
    assert "lm at KL 0.00, reconstruction 27.50" in alts[5]
    assert "vae measured at KL 2.50, reconstruction 10.00" in alts[5]
    assert any("Sentences by label: <odd> 10, even 10." in alt for alt in alts)


def test_ids_are_unique_and_references_resolve(page, html):
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html)
    assert len(references) > 50
    assert {a or b for a, b in references} <= set(ids)


def test_nothing_is_loaded(html):
    assert "http" not in html
    assert "<script" not in html and "@import" not in html
    assert re.findall(r'\b(?:src|href)="(?!#)([^"]*)"', html) == ["data:,"]


def test_texts_are_escaped(page, html, records):
    assert "<unk>" not in html and "<xyzzy>" not in html and "<odd>" not in html
    samples = records[0].samples
    assert all("<xyzzy>" in text for text, _ in samples.reconstructions)
    assert len(samples.reconstructions) == len(samples.generated) == 4
    pairs = page.find("dl", class_="pairs")
    cells = [page.text(index) for index in page.find("dd") if index > pairs[0]]
    expected = [
        text or "(no words)" for pair in samples.reconstructions for text in pair
    ]
    assert cells == expected
    text = " ".join("".join(page.words).split())
    for sentence in records[2].samples.generated:
        assert " ".join(sentence.split()) in text
    assert "A note on nll & <unk>." in text


def test_runs_are_told_apart(page, records, runs):
    names = [record.name for record in records]
    assert names == [runs["vae"], runs["other"], "lm"]
    cards = [page.text(index) for index in page.find("article")]
    assert len(cards) == 3
    assert "2 epochs, finished" in cards[0]
    assert "not finished an epoch" in cards[1]
    assert "no latent code" in cards[2]


def test_how_it_was_made(page, runs):
    text = " ".join("".join(page.words).split())
    assert f"tfvae {__version__}" in text
    assert f"--out {runs['vae']}" in text
    for metrics in get_preset("vae").published.values():
        assert metrics in text


def test_without_data(runs):
    html = make_report([runs["lm"], runs["other"]], num_read=2)
    page = Page(html)
    text = " ".join("".join(page.words).split())
    assert "No run has been measured" in text
    assert "No sentences were given" in text
    assert not page.find(id="latent") and not page.find(id="definitions")
    # Loss, nll and the plane.
    assert html.count("<svg") == 3
    assert len(page.find("ol", class_="texts")) == 1


@pytest.mark.parametrize("name", ["jinja2", "matplotlib"])
def test_missing_extra(runs, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"needs {name}.*tfvae\[report\]"):
        make_report([runs["vae"]])


def test_numbers():
    cells = [0.0, -1.23456, 0.00012345, 123456.7, 9999, 10000, True, "closed_form"]
    found = "0.000 -1.235 0.0001234 1.235e+05 9999 10,000 yes".split()
    assert [_text(cell) for cell in cells] == [*found, "closed form"]


def test_every_metric_has_a_place():
    metrics = dict.fromkeys(METRICS, 1.0)
    table = table_of([Column("a", "b", metrics)])
    rows = [row for rows in table.values() for row in rows]
    assert {row.key for row in rows} == set(METRICS)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_groups_without_a_metric_are_left_out():
    columns = [Column("a", "test.json", KEPT), Column("b", "not measured", {})]
    table = table_of(columns)
    assert len(table) == 4 and len(table_of([columns[1]])) == 0
    row = next(
        row for row in table["Likelihood and latent code"] if row.key == "mi_cap"
    )
    assert row.cells == ["2.996", None] and row.is_detail
