import pytest

from tfvae.text.readers import read_columns, read_lines, read_texts


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_lines_accept_bom_crlf_and_blank_lines(write):
    path = write("a.txt", "\ufeffété  x\r\n\r\n \t\nlast".encode())
    assert list(read_lines(path)) == ["été  x", "last"]


def test_lines_are_read_one_at_a_time(write):
    path = write("a.txt", b"first\nsecond\n\xff\n")
    lines = read_lines(path)
    assert [next(lines), next(lines)] == ["first", "second"]
    with pytest.raises(ValueError, match=r"a\.txt, line 3: not UTF-8 at byte 1 "):
        next(lines)


def test_utf16_is_refused(write):
    with pytest.raises(ValueError, match="line 1: not UTF-8"):
        list(read_lines(write("a.txt", "abc".encode("utf-16"))))


@pytest.mark.parametrize("reader", [read_lines, read_texts])
def test_missing_file_folder_and_empty_file(reader, tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"none\.txt: no such file") as error:
        reader(tmp_path / "none.txt")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="Received: a folder"):
        reader(tmp_path)
    with pytest.raises(ValueError, match=r"b\.txt: the file holds no sentence"):
        list(reader(write("b.txt", b" \n\n")))


def test_tsv_columns(write):
    path = write("a.tsv", b'text\tlabel\tid\r\na "b\t1\t7\r\n\r\nc d\t\t8\r\n')
    rows = list(read_columns(path, ["label", "text"]))
    assert rows == [{"label": "1", "text": 'a "b'}, {"label": "", "text": "c d"}]


def test_tsv_with_a_wrong_number_of_fields(write):
    path = write("a.tsv", b"text\tlabel\na\t1\nb\n")
    with pytest.raises(ValueError, match=r"line 3: the header names 2.*1 fields"):
        list(read_columns(path, ["text"]))


def test_missing_column_names_the_nearest(write):
    path = write("a.tsv", b"text\ttopic\na\t1\n")
    message = r"line 1: no column 'topics'. Columns: text, topic. Did you mean 'topic'"
    with pytest.raises(ValueError, match=message):
        list(read_columns(path, ["topics"]))


def test_jsonl_columns(write):
    path = write(
        "a.jsonl", b'{"text": "a", "label": 2, "x": 0}\n\n{"text": "b", "label": 0}'
    )
    rows = list(read_columns(path, ["text", "label"]))
    assert rows == [{"text": "a", "label": 2}, {"text": "b", "label": 0}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "b"', "line 3: not JSON"),
        (b'["text"]', "line 3: each line must be one JSON object"),
        (b'{"texts": "b"}', "line 3: no column 'text'.*Did you mean 'texts'"),
        (b'{"text": 5}', "line 3: column 'text' must hold a text. Received: 5"),
    ],
)
def test_malformed_jsonl_names_file_and_line(write, line, message):
    path = write("a.jsonl", b'{"text": "a"}\n\n' + line + b"\n")
    with pytest.raises(ValueError, match=r"a\.jsonl, " + message) as error:
        list(read_texts(path))
    assert "\n" not in str(error.value)


def test_other_suffixes_have_no_columns(write):
    with pytest.raises(ValueError, match=r"\.tsv and \.jsonl.*'\.csv'"):
        read_columns(write("a.csv", b"text\n"), ["text"])


def test_texts_by_suffix(write):
    assert list(read_texts(write("a.log", b"x\ty\n"))) == ["x\ty"]
    tsv = write("a.tsv", b"id\tline\n1\t a b \n2\t \n3\tc\n")
    assert list(read_texts(tsv, column="line")) == ["a b", "c"]
    jsonl = write("a.jsonl", b'{"text": "a"}\n')
    assert list(read_texts(jsonl)) == ["a"]


def test_a_table_without_rows(write):
    path = write("a.tsv", b"text\n")
    with pytest.raises(ValueError, match="holds no row"):
        list(read_columns(path, ["text"]))
    with pytest.raises(ValueError, match="holds no sentence"):
        list(read_texts(path))
