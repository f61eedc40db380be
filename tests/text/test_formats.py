import gzip
import io
import os
import shlex
import subprocess
import threading
import types

import pytest

from tfvae.text.formats import (
    check_file,
    count_lines,
    is_stream,
    numbered_lines,
    suffix_of,
)

TEXT = "a cat\n\na dög\nlast"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_lines_with_their_numbers_and_ends(write):
    path = write("a.txt", b"\xef\xbb\xbf" + TEXT.encode())
    expected = [(1, "a cat\n"), (2, "\n"), (3, "a dög\n"), (4, "last")]
    assert list(numbered_lines(path)) == expected
    assert count_lines(path) == 4
    assert list(numbered_lines(write("b.txt", b""))) == []


@pytest.mark.parametrize("name", ["a.txt.gz", "a.TXT.GZ", "a.gz"])
def test_unpacks_by_the_name(write, name):
    path = write(name, gzip.compress(TEXT.encode()))
    assert "".join(line for _, line in numbered_lines(path)) == TEXT
    assert count_lines(path) == 4


def test_suffix_without_case_and_packing():
    names = ["a.TSV", "a.csv.gz", "b/a.Jsonl.GZ", "a.gz", "a", "-", "a.txt.tsv"]
    found = [suffix_of(name) for name in names]
    assert found == [".tsv", ".csv", ".jsonl", "", "", "", ".tsv"]


def test_reads_standard_input(monkeypatch):
    stdin = types.SimpleNamespace(buffer=io.BytesIO(TEXT.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    check_file("-")
    assert [number for number, _ in numbered_lines("-")] == [1, 2, 3, 4]


def test_reads_a_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=[TEXT])
    writer.start()
    assert "".join(line for _, line in numbered_lines(path)) == TEXT
    writer.join()
    found = [is_stream(each) for each in (path, "-", tmp_path, tmp_path / "none")]
    assert found == [True, True, False, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a b", mtime=0), "not UTF-8 text but gzip data.*gunzip -c"),
        (b"BZh91AY&SY\x00", "bzip2.*bunzip2 -c"),
        (b"\xfd7zXZ\0\0", "xz data.*unxz -c"),
        (b"\x28\xb5\x2f\xfd\x04", "Zstandard.*zstd -dc"),
        (b"PK\x03\x04\x14\0", r"a zip archive \(or an Excel file\).*unzip -p"),
        (b"PAR1\x15\x04", "Parquet.*pandas.read_parquet"),
        ("ab".encode("utf-32"), "UTF-32.*iconv -f UTF-32 -t UTF-8"),
        ("ab".encode("utf-16"), "UTF-16.*iconv -f UTF-16 -t UTF-8"),
        ("ab\n".encode("utf-16-le"), "UTF-16.*iconv -f UTF-16LE -t UTF-8"),
        ("ab\n".encode("utf-16-be"), "UTF-16.*iconv -f UTF-16BE -t UTF-8"),
        (b"a cat\ra dog\r", "line ends are those of old Macs.*tr "),
    ],
)
def test_names_other_content_and_its_converter(write, content, message):
    path = write("my text.txt", content)
    with pytest.raises(ValueError, match=f"text.txt, line 1: .*{message}") as error:
        list(numbered_lines(path))
    assert "\n" not in str(error.value)
    assert shlex.quote(str(path)) in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_the_command_converts(write, encoding, tmp_path):
    path = write("a b.txt", "naïve été\n".encode(encoding))
    with pytest.raises(ValueError, match="iconv") as error:
        list(numbered_lines(path))
    command = str(error.value)[str(error.value).index("iconv") :]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert list(numbered_lines(tmp_path / "NEW")) == [(1, "naïve été\n")]


def test_a_line_that_is_not_utf8_is_named(write):
    path = write("a.txt", "a\nété".encode("latin-1"))
    message = r"a\.txt, line 2: not UTF-8 at byte 1 of the line \(0xe9, in Latin-1 'é'"
    with pytest.raises(ValueError, match=message):
        list(numbered_lines(path))


def test_text_may_begin_with_odd_characters(write):
    for text in ("BZh said", "\0ab\0", "PK", "a\0bc", "a\rb\n"):
        assert list(numbered_lines(write("a.txt", text.encode()))) == [(1, text)]


def test_damaged_packing_names_the_line(write):
    packed = gzip.compress("".join(f"{n} x\n" for n in range(50000)).encode())
    with pytest.raises(ValueError, match=r"a\.gz, line \d\d+: not gzip data, or dam"):
        list(numbered_lines(write("a.gz", packed[: len(packed) // 2])))
    with pytest.raises(ValueError, match=r"b\.gz, line 1: not gzip data"):
        list(numbered_lines(write("b.gz", b"plain\n")))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        check_file(tmp_path / "none")
    with pytest.raises(ValueError, match="Received: a folder"):
        check_file(tmp_path)
