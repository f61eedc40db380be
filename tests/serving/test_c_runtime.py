"""The export without this library: TensorFlow's C runtime in a bare Python."""

import base64
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.serving import c_runtime
from tests.serving.server import Model, grpc_server, rest_server
from tests.serving.support import (
    NAMES,
    TEXTS,
    assert_same,
    call,
    request_for,
    request_of,
)
from tests.training.conftest import TINY
from tfvae.cli.main import main
from tfvae.serving import Client
from tfvae.serving.client import row_seeds
from tfvae.text import default_grammar

_KINDS = {"f": c_runtime.FLOAT, "i": c_runtime.INT32, "O": c_runtime.STRING}


def to_json(inputs):
    """Writes arrays as the script reads them."""
    return {
        name: {
            "dtype": _KINDS[value.dtype.kind],
            "shape": value.shape,
            "values": [
                base64.b64encode(each).decode() if value.dtype == object else each
                for each in value.ravel().tolist()
            ],
        }
        for name, value in inputs.items()
    }


def run(exported, requests):
    """Returns the script's description of the export and its answers."""
    command = [
        sys.executable,
        # No site packages: TensorFlow's Python cannot be imported.
        "-S",
        "-E",
        c_runtime.__file__,
        os.path.dirname(tf.__file__),
        exported,
    ]
    lines = "".join(f"{json.dumps(request)}\n" for request in requests)
    done = subprocess.run(command, input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    described, *answers = map(json.loads, done.stdout.splitlines())
    return described, answers


def to_arrays(outputs, wanted):
    """Turns an answer into arrays of the types of another."""
    arrays = {}
    for name, (shape, values) in outputs.items():
        if wanted[name].dtype == object:
            values = [base64.b64decode(value) for value in values]
        array = np.empty(len(values), wanted[name].dtype)
        array[:] = values
        arrays[name] = array.reshape(shape)
    return arrays


@pytest.fixture(scope="module")
def answered(exported):
    """The script's answers to a good request of each signature and to bad ones."""
    requests = [
        {"signature": name, "inputs": to_json(request_of(name))} for name in NAMES
    ]
    kinds = ("shape", "scalar", "deep", "rows", "dtype")
    bad = {name: to_json(request_of("score")) for name in kinds}
    bad["shape"]["seed"] |= {"shape": [5, 1], "values": [1] * 5}
    bad["scalar"]["text"] |= {
        "shape": [],
        "values": bad["scalar"]["text"]["values"][:1],
    }
    bad["deep"]["text"] |= {"shape": [5, 1]}
    bad["rows"]["seed"] |= {"shape": [2, 2], "values": [1, 2, 3, 4]}
    bad["dtype"]["seed"] |= {"dtype": c_runtime.FLOAT}
    requests += [{"signature": "score", "inputs": inputs} for inputs in bad.values()]
    again = requests[NAMES.index("score")]
    described, answers = run(exported, [*requests, again])
    *answers, last = answers
    names = [*NAMES, *bad]
    return described, dict(zip(names, answers, strict=True)), last


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_python(signatures, answered, name):
    wanted = call(signatures, name, request_of(name))
    got = to_arrays(answered[1][name]["outputs"], wanted)
    assert_same(got, wanted)
    assert all(len(value) == len(TEXTS) for value in got.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shape", "not compatible with expected shape [?,2]"),
        ("shape", "the shape of input `seed` is not compatible with expected shape"),
        (
            "scalar",
            "the shape of input `text` is not compatible with expected shape [?]",
        ),
        ("deep", "any number of rows. Received shape:] [5 1]"),
        ("rows", "need one number of rows"),
        ("dtype", "int32 but float is provided"),
    ],
)
def test_bad_requests_are_errors(answered, name, message):
    answer = answered[1][name]
    assert message in answer["error"] and "outputs" not in answer


def test_a_bad_request_leaves_the_next_alone(answered):
    _, answers, last = answered
    assert last["outputs"] == answers["score"]["outputs"]


def test_all_inputs_have_a_batch(answered):
    for name, (inputs, outputs) in answered[0]["signatures"].items():
        if not name.startswith("__"):
            assert inputs and outputs


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("turns", "both", "reader", "arae")
    ],
)
def test_conditional_exports(exports, kind):
    _, folder, signatures = exports(kind)
    names = sorted(set(signatures) - {"serving_default"})
    inputs = [request_for(signatures, name) for name in names]
    bad = {**inputs[names.index("score")]}
    beside = "context" if "context" in bad else "label"
    bad[beside] = np.stack([bad[beside]] * 2, axis=1)
    requests = [
        {"signature": name, "inputs": to_json(each)}
        for name, each in zip([*names, "score"], [*inputs, bad], strict=True)
    ]
    _, (*answers, refused) = run(folder, requests)
    for name, each, answer in zip(names, inputs, answers, strict=True):
        wanted = call(signatures, name, each)
        assert_same(to_arrays(answer["outputs"], wanted), wanted)
    assert f"the shape of input `{beside}` is not compatible" in refused["error"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["cvae", "seq2seq"])
def test_a_trained_run_answers(tmp_path, preset, capsys):
    """From training to the C runtime and a client, by the command line alone."""
    pairs = list(default_grammar().sample_pairs(400, 1))
    table = tmp_path / "pairs.tsv"
    rows = [f"{pair.context}\t{pair.text}\n" for pair in pairs]
    table.write_text("context\ttext\n" + "".join(rows), encoding="utf-8")
    sizes = [f"{name}={size}" for name, size in TINY.items() if name != "latent_dim"]
    where = str(tmp_path / "run")
    arguments = ["train", preset, "--train", str(table), "--context-column", "context"]
    assert main([*arguments, "--out", where, "--epochs", "2"] + ["--set", *sizes]) == 0
    assert main(["export", where, "--to", str(tmp_path / "tiny")]) == 0
    folder = str(tmp_path / "tiny" / "1")
    loaded = tf.saved_model.load(folder)
    signatures = loaded.signatures
    contexts = [pair.context for pair in pairs[:4]]
    inputs = {
        "context": np.array([[text.encode()] for text in contexts], object),
        "seed": row_seeds(3, 4),
        "temperature": np.ones(4, np.float32),
    }
    wanted = call(signatures, "respond", inputs)
    _, (answer,) = run(folder, [{"signature": "respond", "inputs": to_json(inputs)}])
    assert_same(to_arrays(answer["outputs"], wanted), wanted)
    texts = [text.decode() for text in wanted["text"]]
    assert any(text.split() for text in texts)
    for serve in (grpc_server, rest_server):
        with serve(Model(signatures, batching=True)) as port:
            rest = serve is rest_server
            client = Client("tiny", "127.0.0.1", port, rest=rest)
            assert client.respond(contexts, seed=3)["text"].tolist() == texts
            capsys.readouterr()
            options = ["--model", "tiny", "--host", "127.0.0.1", "--port", str(port)]
            options += ["--seed", "3"] + ["--rest"] * rest
            assert main(["client", "respond", "--turn", contexts[0], *options]) == 0
            printed = capsys.readouterr().out.splitlines()
            assert printed == [f"  {contexts[0]}", f"> {texts[0]}".rstrip()]
