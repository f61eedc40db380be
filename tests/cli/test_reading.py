import pytest


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("generate", ["--column", "x"]),
        ("generate", ["--no-header"]),
        ("generate", ["--too-long", "drop"]),
        ("neighbours", ["--query", "a", "--index", "index.npz", "--column", "x"]),
        ("neighbours", ["--query", "a", "--index", "index.npz", "--no-header"]),
        ("report", ["--column", "x"]),
        ("report", ["--max-length", "3"]),
        ("report", ["--too-long", "truncate"]),
        ("interpolate", ["--prior", "--too-long", "truncate"]),
        ("interpolate", ["--prior", "--max-length", "3"]),
    ],
)
def test_options_about_sentences_that_are_not_read(run, error_of, command, more):
    line = error_of(command, run, *more)
    assert "there are none" in line and more[-2 if more[-1][0] != "-" else -1] in line
