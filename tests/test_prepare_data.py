"""Published dialogues become rows of a response and its context."""

import importlib.util
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
TRAIN = """\
hi there . __eou__ how are  you ? __eou__ fine . __eou__

who is it ? __eou__ me . __eou__
"""


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location(
        "prepare_data", ROOT / "scripts/prepare_data.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
