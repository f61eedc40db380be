import hashlib
import os

import pytest

from tfvae.files import Transaction, digest, read_json, replacing, write_json


def test_a_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as beside:
        assert beside.endswith(".json") and beside != str(path)
        with open(beside, "w") as file:
            file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_the_older_file_alone(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as beside:
        with open(beside, "w") as file:
            file.write("ha")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def _writer(text):
    def write(path):
        with open(path, "w") as file:
            file.write(text)

    return write


def _contents(folder):
    return {name: (folder / name).read_text() for name in sorted(os.listdir(folder))}


def test_a_transaction_replaces_all_or_nothing(tmp_path):
    transaction = Transaction(tmp_path)
    transaction.commit({"a": _writer("1"), "b": _writer("1")})
    assert _contents(tmp_path) == {"a": "1", "b": "1"}

    def full(path):
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        transaction.commit({"a": _writer("2"), "b": full})
    assert _contents(tmp_path) == {"a": "1", "b": "1"}


def test_recovery_ends_what_was_committed_and_drops_what_was_not(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "commit").mkdir()
    # The process ended after `b` had been moved.
    (tmp_path / "commit" / "a").write_text("2")
    (tmp_path / "b").write_text("2")
    (tmp_path / "commit.partial").mkdir()
    (tmp_path / "commit.partial" / "a").write_text("3")
    Transaction(tmp_path).recover()
    assert _contents(tmp_path) == {"a": "2", "b": "2"}


def test_json_is_written_whole(tmp_path):
    path = tmp_path / "some.json"
    write_json({"a": [1]}, path)
    assert path.read_text("utf-8").endswith("}\n") and read_json(path) == {"a": [1]}
    with pytest.raises(TypeError):
        write_json({"a": object()}, path)
    assert read_json(path) == {"a": [1]} and len(os.listdir(tmp_path)) == 1


def test_json_that_is_none_is_named(tmp_path):
    path = tmp_path / "a.json"
    for text in ("", "{", "[1]", "null", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(ValueError, match="a.json: ") as found:
            read_json(path)
        assert "\n" not in str(found.value)
    path.write_text('{"b": 1}')
    assert read_json(path) == {"b": 1}


def test_digest(tmp_path):
    content = os.urandom(3 * 2**20 + 1)
    (tmp_path / "a").write_bytes(content)
    expected = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert digest(tmp_path / "a") == expected
