from tests.reporting.conftest import KEPT
from tfvae.reporting import reading
from tfvae.training import RunFolder


def test_paths_between_texts(records, data):
    found = records[0].reading.interpolations
    read = [text for text, _ in records[0].reading.reconstructions]
    assert [(path.first, path.last) for path in found] == [
        (read[0], read[1]),
        (read[2], read[3]),
    ]
    fractions = [fraction for fraction, _ in found[0].steps]
    assert fractions == [0.0, 0.25, 0.5, 0.75, 1.0]
    # The ends are the posteriors' points, as in a reconstruction.
    ends = found[0].steps[0][1], found[0].steps[-1][1]
    assert ends == tuple(text for _, text in records[0].reading.reconstructions[:2])
    assert set(read) <= set(data.texts)


def test_paths_between_draws(runs, monkeypatch):
    monkeypatch.setattr(reading, "write", lambda *args, **options: iter(["a"]))
    model = RunFolder(runs["vae"]).load_model()
    options = {"num_steps": 2, "max_length": 2, "num_paths": 2}
    found = reading.read_model(model, **options)
    assert found.samples == ["a"] and found.reconstructions == []
    assert [path.first for path in found.interpolations] == [None, None]
    assert len(found.interpolations[0].steps) == 2


def test_a_language_model_has_samples_alone(records):
    samples, *others = records[2].reading
    assert len(samples) == 4 and others == [[], []]


def test_kept_figures_are_not_measured_again(records):
    assert [result.source for result in records[0].results] == ["test.json"]
    assert records[0].results[0].figures == KEPT
    assert records[2].results[0].source == "test.tsv"
