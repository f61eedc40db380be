import json

import pytest
import tensorflow as tf

from tests.serving.server import Model, grpc_server, rest_server
from tfvae.cli.main import main

TEXT = tf.TensorSpec([None], tf.string)
SEED = tf.TensorSpec([None, 2], tf.int32)
NUMBER = tf.TensorSpec([None], tf.float32)


class Stub:
    """A signature made of a Python function."""

    def __init__(self, function, **specs):
        self.structured_input_signature = ((), specs)
        self.function = function

    def __call__(self, **inputs):
        return {k: tf.convert_to_tensor(v) for k, v in self.function(**inputs).items()}


def score(text, seed):
    lengths = tf.cast(tf.strings.length(text), tf.float32)
    return {"nll": lengths + tf.cast(seed[:, 0], tf.float32), "num_tokens": seed[:, 1]}


def reconstruct(text, seed, temperature):
    return {"text": text + "|" + tf.strings.as_string(temperature, precision=1)}


def generate(seed, temperature):
    return {"text": tf.strings.as_string(seed[:, 0] + seed[:, 1])}


def interpolate(text_a, text_b, fraction):
    words = [text_a, tf.strings.as_string(fraction, precision=2), text_b]
    return {"text": tf.strings.join(words, " ")}


SIGNATURES = {
    "score": Stub(score, text=TEXT, seed=SEED),
    "encode": Stub(lambda text, seed: {"point": [[0.5, -1.0]]}, text=TEXT, seed=SEED),
    "reconstruct": Stub(reconstruct, text=TEXT, seed=SEED, temperature=NUMBER),
    "generate": Stub(generate, seed=SEED, temperature=NUMBER),
    "interpolate": Stub(interpolate, text_a=TEXT, text_b=TEXT, fraction=NUMBER),
}


@pytest.fixture(params=[grpc_server, rest_server], ids=["grpc", "rest"])
def where(request):
    """The options that name a running server."""
    with request.param(Model(SIGNATURES)) as port:
        options = ["--model", "tiny", "--host", "127.0.0.1", "--port", str(port)]
        yield options + (["--rest"] if request.param is rest_server else [])


def test_answers(where, capsys, tmp_path):
    def printed(action, *more):
        assert main(["client", action, *where, *more]) == 0
        return capsys.readouterr().out

    out = printed("reconstruct", "--text", "a b", "c", "--temperature", "0.5")
    assert out == "  a b\n> a b|0.5\n  c\n> c|0.5\n"
    assert printed("generate", "--num", "3", "--seed", "4") == "4\n5\n6\n"
    out = printed(
        "interpolate", "--text", "a", "b", "--steps", "3", "--label", "stable"
    )
    assert out == "a 0.00 b\na 0.50 b\na 1.00 b\n"
    assert printed("encode", "--text", "été", "--version", "1") == "0.500 -1.000  été\n"
    path = tmp_path / "texts.txt"
    path.write_text("one two\nthree\n")
    out = printed("score", "--data", str(path), "--seed", "2", "--json", "-")
    assert json.loads(out) == {
        "nll": [9.0, 7.0],
        "num_tokens": [0, 1],
        "input": ["one two", "three"],
    }
    assert printed("score", "--text", "abc").split() == [
        "nll",
        "num_tokens",
        "3",
        "0",
        "abc",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score"], "score needs texts"),
        (["generate", "--text", "a"], "generate takes no texts"),
        (["generate", "--num", "0"], "--num must be positive"),
        (["interpolate", "--text", "one"], "two texts"),
        (
            ["interpolate", "--text", "one", "two", "--steps", "1"],
            "--steps must be at least 2",
        ),
        (["score", "--text", "a", "--data", "b"], "not both"),
        (["score", "--data", "nowhere.txt"], "nowhere.txt: no such file"),
        (["score", "--text", "a", "--timeout", "0"], "`timeout` must be positive"),
        (
            ["score", "--text", "a", "--port", "1", "--retries", "0"],
            "no model server answers at",
        ),
        (
            ["score", "--text", "a", "--port", "1", "--retries", "0", "--rest"],
            "no model server answers at 127.0.0.1:1",
        ),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    status = main(["client", *arguments, "--model", "tiny", "--host", "127.0.0.1"])
    assert status == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_refusal_of_the_server_is_one_line(where, capsys):
    assert main(["client", "score", "--text", "a", *where, "--version", "7"]) == 2
    assert "Servable not found" in capsys.readouterr().err
