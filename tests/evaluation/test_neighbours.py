import keras
import numpy as np
import pytest
from scipy.spatial.distance import cosine

from tests.support import make_vae
from tfvae.evaluation.neighbours import (
    NeighbourIndex,
    digest,
    fingerprint_of,
    neighbours,
)
from tfvae.latents import Gaussian
from tfvae.models.writing import encode_means
from tfvae.text import WordTokenizer

TEXTS = ["a b", "c", "d e f", "g", "a é", "b b b", "c d"]


def make_model(latent_dim=3):
    tokenizer = WordTokenizer(vocabulary=list("abcdefg"))
    return make_vae(posterior=Gaussian(latent_dim), tokenizer=tokenizer)


@pytest.fixture
def model():
    return make_model()


def test_query_ranks_by_scipys_cosine(rng):
    points, queries = rng.normal(size=(50, 4)), rng.normal(size=(3, 4))
    index = NeighbourIndex([f"text {i}" for i in range(50)], points)
    for query, rows in zip(queries, index.query(queries, 6), strict=True):
        similar = [1.0 - cosine(query, point) for point in points]
        best = np.argsort(similar)[::-1][:6]
        assert [text for text, _ in rows] == [f"text {i}" for i in best]
        np.testing.assert_allclose(
            [value for _, value in rows], np.array(similar)[best], atol=1e-6
        )


def test_query_leaves_out_itself_and_copies():
    points = [[1.0, 0.0], [1.0, 0.1], [1.0, 0.0], [-1.0, 0.0]]
    index = NeighbourIndex(["x y", "z", " x  y", "w"], points)
    assert [text for text, _ in index.query([[2.0, 0.0]], 5, ["x y"])[0]] == ["z", "w"]
    assert index.query([[2.0, 0.0]], 1)[0] == [("x y", 1.0)]
    # No direction, no likeness.
    assert index.query([[0.0, 0.0]], 1)[0] == [("x y", 0.0)]


def test_build_encodes_every_sentence(model):
    index = NeighbourIndex.build(model, iter(TEXTS), batch_size=3)
    assert index.texts == TEXTS
    points = encode_means(model, TEXTS)
    expected = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(index.directions, expected, atol=1e-5)


def test_neighbours_of_texts(model):
    index = NeighbourIndex.build(model, TEXTS)
    expected = index.query(encode_means(model, ["c d", "e"]), 3, ["c d", "e"])
    found = neighbours(model, iter(TEXTS), ["c d", "e"], num=3)
    for rows, others in zip(found, expected, strict=True):
        assert [text for text, _ in rows] == [text for text, _ in others]
        cosines = [[value for _, value in each] for each in (rows, others)]
        np.testing.assert_allclose(*cosines, rtol=1e-6)
    assert "c d" not in [text for text, _ in found[0]]
    assert len(neighbours(model, TEXTS, "e")[0]) == 5


def test_save_and_load(model, tmp_path):
    index = NeighbourIndex.build(model, TEXTS)
    index.save(tmp_path / "index.npz")
    again = NeighbourIndex.load(tmp_path / "index.npz", model)
    assert again.texts == TEXTS
    np.testing.assert_allclose(again.directions, index.directions, rtol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    NeighbourIndex.load(tmp_path / "index.npz", loaded)
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_fingerprint_follows_what_encodes(model):
    before = fingerprint_of(model)
    model.decoder.output_layer.bias.assign_add(np.ones(11))
    assert fingerprint_of(model) == before
    model.posterior.heads["loc"].bias.assign_add(np.ones(3))
    assert fingerprint_of(model) != before
    assert digest(["a", "b"]) != digest(["ab"]) != digest(["a", "c"])


def test_refuses_other_files(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such index"):
        NeighbourIndex.load(tmp_path / "missing.npz", model)
    path = tmp_path / "index.npz"
    NeighbourIndex.build(make_model(latent_dim=4), TEXTS).save(path)
    with pytest.raises(ValueError, match="another model, with codes of 4.*have 3"):
        NeighbourIndex.load(path, model)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged"):
        NeighbourIndex.load(path, model)
    path.write_text("words\n")
    with pytest.raises(ValueError, match="no index, or a damaged one"):
        NeighbourIndex.load(path, model)
    np.savez(path, points=np.zeros([2, 2]))
    with pytest.raises(ValueError, match="no index of neighbours"):
        NeighbourIndex.load(path, model)


def test_errors(model):
    index = NeighbourIndex(["a"], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="num=0"):
        index.query([[1.0, 2.0]], 0)
    with pytest.raises(ValueError, match=r"2 columns.*\(1, 3\)"):
        index.query([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="at least one. Received: 0 texts"):
        NeighbourIndex.build(model, [])
