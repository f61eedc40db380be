import csv
import gzip
import os
import threading

import pytest

from tfvae.text.readers import (
    has_columns,
    read_columns,
    read_lines,
    read_numbered,
    read_records,
    read_texts,
)


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
        (b'[{"text": "b"},', "line 3: not JSON.*jq -c"),
        (b'{"text": ' + b"[" * 100000, "line 3: the JSON is nested too deeply"),
        (b'{"text": "a", "n": ' + b"1" * 5000 + b"}", "line 3: not JSON"),
        (
            b'{"text": "a", "text": "b"}',
            "line 3: not JSON, the key 'text' stands twice",
        ),
        (b'{"text": "\\ud83d"}', "line 3: not JSON, .*surrogates"),
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
    path = write("a.txt", b"text\n")
    with pytest.raises(ValueError, match=r"\.csv, .*\.json files.*suffix '\.txt'"):
        read_columns(path, ["text"])
    for options in ({"column": "line"}, {"column": 1}, {"header": False}):
        with pytest.raises(ValueError, match=r"a\.txt: a text file has no columns"):
            read_texts(path, **options)
    assert list(read_texts(path, "text")) == ["text"]


NASTY = [
    ["id", "text"],
    ["1", "plain"],
    ["2", 'a "quoted" word, and more'],
    ["3", "tab\there"],
    ["4", "two\nlines\r\nof three"],
    ["5", '"Hello," he said.'],
    ["6", '"'],
    ["7", ""],
    ["8", "last"],
]
READ = [
    "plain",
    'a "quoted" word, and more',
    "tab\there",
    "two lines of three",
    '"Hello," he said.',
    '"',
    "last",
]
LINES = [2, 3, 4, 5, 8, 9, 11]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("A.TSV", "\t")])
def test_reads_what_a_spreadsheet_writes(write, name, mark, quoting, ends):
    path = write(name, b"")
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=mark, quoting=quoting, lineterminator=ends)
        writer.writerows(NASTY)
    assert list(read_texts(path)) == READ
    assert list(read_numbered(path, 2)) == list(zip(LINES, READ, strict=True))
    rows = list(read_columns(path, ["id", "text"]))
    assert [row["id"] for row in rows] == list("12345678")
    assert [row["text"] for row in rows] == [text for _, text in NASTY[1:]]


STRAY = [
    'he said "no"',
    '"Hello, he said.',
    'and left."',
    '"a" b',
    '"',
    'a ""b"" c',
    '"a" and "b" c',
    "next",
]


@pytest.mark.parametrize("row", ["{}\tx", "x\t{}", "x\t{}\ty", "{}"])
def test_stray_quotes_of_a_plain_tsv_are_text(write, row):
    header = row.format("text")
    lines = [header, *(row.format(text) for text in STRAY)]
    path = write("a.tsv", "\n".join(lines).encode())
    assert list(read_numbered(path)) == list(enumerate(STRAY, 2))
    quotes = [row.replace("x", '"').format(text) for text in STRAY]
    path = write("a.tsv", "\n".join([header, *quotes]).encode())
    assert list(read_texts(path)) == STRAY


def test_a_quote_that_never_ends(write):
    tsv = write("a.tsv", b'text\tid\n"open\n' + b"x\n" * 3000)
    with pytest.raises(ValueError, match=r"a\.tsv, line 2: the header names 2 columns"):
        list(read_texts(tsv))
    path = write("a.csv", b'text,id\na,1\n"open,2\nb,3\n')
    with pytest.raises(ValueError, match=r"a\.csv, line 3: not CSV, .*quotes"):
        list(read_texts(path))
    path = write("a.csv", b'text,id\na,1\n"a" b,2\n')
    with pytest.raises(ValueError, match=r"a\.csv, line 3: not CSV"):
        list(read_texts(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.TXT.gz", "one\ntwo\n"),
        ("a.csv.GZ", "id,text\n1,one\n2,two\n"),
        ("a.Tsv.gz", "id\ttext\n1\tone\n2\ttwo\n"),
        ("a.jsonl.gz", '{"text": "one"}\n{"text": "two"}\n'),
        ("a.ndjson.gz", '{"text": "one"}\n{"text": "two"}\n'),
        ("a.json.gz", '{"text": "one"}\n{"text": "two"}\n'),
    ],
)
def test_packed_files(write, name, content):
    path = write(name, gzip.compress(content.encode()))
    assert list(read_texts(path)) == ["one", "two"]


def test_columns_by_number_and_without_a_header(write):
    path = write("a.csv", b"id,text,2\n1,one,x\n2,two,y\n")
    for column in (2, "text"):
        assert list(read_texts(path, column)) == ["one", "two"]
    assert list(read_texts(path, "2")) == ["x", "y"]  # A name comes first.
    for column in (2, "2"):
        found = list(read_texts(path, column, header=False))
        assert found == ["text", "one", "two"]
    assert list(read_columns(path, [1, "text"])) == [
        {1: "1", "text": "one"},
        {1: "2", "text": "two"},
    ]
    for column in (0, 4, "9"):
        with pytest.raises(ValueError, match=r"line 1: no column.*from 1 to 3\."):
            list(read_texts(path, column))
    with pytest.raises(ValueError, match="'text'.*from 1 to 3, for a file without a h"):
        list(read_texts(path, header=False))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_repeated_name_is_refused(write, name):
    mark = "," if name == "a.csv" else "\t"
    content = "text,id,text,\na,1,b,\n".replace(",", mark)
    path = write(name, content.encode())
    with pytest.raises(ValueError, match=r"line 1: 2 columns have the name 'text'"):
        list(read_texts(path))
    assert list(read_texts(path, 3)) == ["b"]
    assert list(read_texts(path, "id")) == ["1"]


def test_blank_lines_are_kept_on_request(write):
    path = write("a.txt", b"\none\n \n\ntwo\n\n")
    assert list(read_numbered(path)) == [(2, "one"), (5, "two")]
    kept = list(read_numbered(path, keep_blank=True))
    assert kept == [(1, ""), (2, "one"), (3, ""), (4, ""), (5, "two"), (6, "")]
    table = write("a.csv", b"id,text\n1,\n\n2,two\n3, \n")
    kept = list(read_numbered(table, keep_blank=True))
    assert kept == [(2, ""), (3, ""), (4, "two"), (5, "")]
    jsonl = write("a.jsonl", b'{"text": ""}\n\n{"text": "a\\nb"}\n')
    assert list(read_numbered(jsonl, keep_blank=True)) == [(1, ""), (2, ""), (3, "a b")]
    with pytest.raises(ValueError, match="holds no sentence"):
        list(read_numbered(write("b.txt", b"\n\n"), keep_blank=True))


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    content = "id,text\n1,one\n2,two\n"
    writer = threading.Thread(target=path.write_text, args=[content])
    writer.start()
    assert list(read_texts(path)) == ["one", "two"]
    writer.join()


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


def test_tables_are_known_by_their_suffix():
    assert all(map(has_columns, ["a.csv", "A.TSV.gz", "b.jsonl", "b.ndjson", "c.json"]))
    assert not any(map(has_columns, ["a.txt", "csv", "a.csv.txt", "a.gz", "-"]))


def test_records(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("c\tt\ty\nhow ?\tso .\t1\na __eou__ b __eou__\tc\t0\n")
    columns = {"context_column": "c", "label_column": "y"}
    assert list(read_records(path, "t", **columns)) == [
        (2, {"text": "so .", "context": "how ?", "label": "1"}),
        (3, {"text": "c", "context": ["a", "b"], "label": "0"}),
    ]
    assert list(read_records(path, None, context_column="c")) == [
        (2, {"context": "how ?"}),
        (3, {"context": ["a", "b"]}),
    ]
    turns = tmp_path / "a.jsonl"
    turns.write_text('{"text": "x", "context": ["a", " b"]}\n')
    found = list(read_records(turns, context_column="context"))
    assert found == [(1, {"text": "x", "context": ["a", "b"]})]


@pytest.mark.parametrize(
    "row, error",
    [
        ('{"text": "x", "context": 3}', "line 1: 'context' must hold a text or a list"),
        ('{"text": ["x"], "context": "a"}', "line 1: 'text' must hold a text. Rec"),
        ('{"text": "x", "context": []}', "line 1: the context is empty"),
        ('{"text": "x", "context": ["a", " "]}', "line 1: the context is empty"),
        ('{"text": "", "context": "a"}', "line 1: the text is empty"),
        ('{"text": "x"}', "context"),
    ],
)
def test_bad_records(row, error, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(row + "\n")
    with pytest.raises(ValueError, match=error):
        list(read_records(path, context_column="context"))
    path = tmp_path / "a.txt"
    path.write_text("x\n")
    with pytest.raises(ValueError, match="a text file has no columns for contexts"):
        list(read_records(path, context_column="context"))
