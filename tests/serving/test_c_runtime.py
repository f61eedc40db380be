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
from tests.serving.support import NAMES, TEXTS, assert_same, call, request_of

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
