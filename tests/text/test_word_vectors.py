import gzip

import numpy as np
import pytest

from tfvae.text import read_word_vectors

GLOVE = "the 0.5 -1\nof 2 3e-1\n. . 7 8\nthe 9 9\ncafé 1 2\n"


def write(tmp_path, text, name="vectors.txt"):
    path = tmp_path / name
    path.write_bytes(
        gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    )
    return path


@pytest.mark.parametrize(
    ("name", "header"), [("v.txt", ""), ("v.vec", "5 2\n"), ("v.txt.gz", "5 2\n")]
)
def test_formats(tmp_path, name, header):
    path = write(tmp_path, header + GLOVE + "\n", name)
    found = read_word_vectors(path, ["café", "the", "none", ". ."])
    assert list(found) == ["the", ". .", "café"]
    np.testing.assert_array_equal(found["the"], np.float32([0.5, -1]))
    np.testing.assert_array_equal(found[". ."], np.float32([7, 8]))
    assert all(vector.dtype == np.float32 for vector in found.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "line 2: a word and 2 numbers are needed"),
        ("3 2\na 1\n", "line 2: a word and 2 numbers are needed"),
        ("b 1 2\na 1 x\n", "line 2: could not convert string to float: 'x'"),
        ("a 1 nan\n", "line 1: the vector of 'a' is not finite"),
        ("b 1 2\n", "no vector for any of the 1 words"),
        ("", "no vector for any of the 1 words"),
        ("1 2\n", "no vector for any of the 1 words"),
    ],
)
def test_refused(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=f"(?s)vectors.txt.*{message}"):
        read_word_vectors(path, ["a"])


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt: no such file"):
        read_word_vectors(tmp_path / "none.txt", ["a"])
