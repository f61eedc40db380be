"""Published dialogues become rows of a response and its context."""

import json

import pytest

from tests.support import load_script

TRAIN = """\
hi there . __eou__ how are  you ? __eou__ fine . __eou__

who is it ? __eou__ me . __eou__
"""


@pytest.fixture(scope="module")
def prepare():
    return load_script("prepare_data")


@pytest.fixture
def run(prepare, tmp_path):
    """Returns the rows that the command makes of a text."""

    def make(text, *options, out="rows.jsonl"):
        path = tmp_path / "dialogues.txt"
        path.write_text(text, encoding="utf-8")
        target = tmp_path / out
        code = prepare.main(["dialogues", str(path), "--out", str(target), *options])
        if code:
            return code
        rows = map(json.loads, target.read_text(encoding="utf-8").splitlines())
        return [(row["context"], row["text"]) for row in rows]

    return make


def test_each_utterance_answers_those_before_it(run):
    assert run(TRAIN) == [
        (["hi there ."], "how are you ?"),
        (["hi there .", "how are you ?"], "fine ."),
        (["who is it ?"], "me ."),
    ]


def test_contexts_keep_the_last_turns(run):
    text = "__eou__".join("abcdefghijklmn")
    contexts = [context for context, _ in run(text)]
    assert [len(context) for context in contexts] == [*range(1, 10), 10, 10, 10, 10]
    assert contexts[-1] == list("defghijklm")
    assert run(text, "--max-turns", "1")[-1] == (["m"], "n")


@pytest.mark.parametrize(
    ("drop", "kept"),
    [
        # The context of the second row and the response of the fourth were seen.
        ("either", [(["so ?"], "no .")]),
        ("pair", [(["who is it ?"], "you ."), (["so ?"], "no ."), (["no ."], "me .")]),
    ],
)
def test_what_was_seen_is_left_out(run, tmp_path, drop, kept):
    run(TRAIN, out="train.jsonl")
    test = "who is it ? __eou__ me .\nwho is it ? __eou__ you .\nso ? __eou__ no . "
    test += "__eou__ me ."
    seen = ["--seen", str(tmp_path / "train.jsonl"), "--drop", drop, "--max-turns", "1"]
    assert run(test, *seen) == kept


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a __eou__ b\n\na __eou__ __eou__ b", (), "line 3: utterance 2 is empty"),
        ("__eou__ a __eou__ b", (), "line 1: utterance 1 is empty"),
        ("a __eou__ b\nonly one __eou__", (), "line 2: a dialogue needs two"),
        ("\n \n", (), "holds no dialogue"),
        (TRAIN, ("--max-turns", "0"), "--max-turns must be positive"),
        (TRAIN, ("--drop", "pair"), "go together"),
        (TRAIN, ("--seen", "none.jsonl", "--drop", "pair"), "none.jsonl: no such file"),
    ],
)
def test_bad_lines_are_named(run, capsys, tmp_path, text, options, message):
    assert run(text, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.fixture
def label(prepare, tmp_path):
    """Returns the exit code and the rows of sentences with their labels."""

    def make(texts, labels, *options):
        paths = [tmp_path / name for name in ("s.txt", "s.labels", "s.jsonl")]
        for path, text in zip(paths, (texts, labels), strict=False):
            path.write_text(text, encoding="utf-8")
        texts, labels, target = map(str, paths)
        command = ["labels", texts, "--labels", labels, "--out", target, *options]
        code = prepare.main(command)
        if not paths[-1].exists():
            return code, None
        return code, [json.loads(line) for line in paths[-1].read_text().splitlines()]

    return make


def test_sentences_get_the_labels_beside_them(label, capsys):
    names = ("--names", "0=bad", "1=good")
    code, rows = label('so "so" .\n a  \tb\n', "0\n1\n", *names)
    assert code == 0 and [row["label"] for row in rows] == ["bad", "good"]
    assert [row["text"] for row in rows] == ['so "so" .', "a  \tb"]
    assert "1 bad, 1 good" in capsys.readouterr().out
    assert label("a\n", "7\n")[1] == [{"text": "a", "label": "7"}]


@pytest.mark.parametrize(
    ("texts", "labels", "options", "message"),
    [
        ("a\nb\n", "0\n", (), "1 labels, 2 sentences"),
        ("a\n\nb\n", "0\n0\n1\n", (), "s.txt, line 2: the line is empty"),
        ("a\nb\n", "0\n\n", (), "s.labels, line 2: the line is empty"),
        (
            "a\nb\n",
            "0\n1\n",
            ("--names", "0=no"),
            "line 2: --names has no name for '1'",
        ),
        ("", "", (), "holds no sentence"),
    ],
)
def test_bad_labels_are_named(label, capsys, texts, labels, options, message):
    assert label(texts, labels, *options) == (2, None)
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
