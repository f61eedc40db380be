"""The client against the small server of `tests/serving/server.py`.

TF Serving's own server is not run here.
"""

import contextlib
import socket
import threading
import time

import numpy as np
import pytest

from tests.serving.server import Model, grpc_server, rest_server
from tests.serving.support import SEEDS, TEXTS, assert_same, call, request_of
from tfvae.serving import Client
from tfvae.serving.client import row_seeds

SERVERS = {False: grpc_server, True: rest_server}


@pytest.fixture(params=[False, True], ids=["grpc", "rest"])
def rest(request):
    """Whether by REST."""
    return request.param


@pytest.fixture
def connect(rest, signatures):
    """Creates clients of fresh servers."""
    with contextlib.ExitStack() as servers:

        def make(model=None, **options):
            server = SERVERS[rest](model or Model(signatures))
            port = servers.enter_context(server)
            options = {"model": "tiny", "timeout": 30.0} | options
            return Client(host="127.0.0.1", port=port, rest=rest, **options)

        yield make


def as_text(answer):
    """Decodes an answer's texts, as the client does."""
    return {
        name: np.array([text.decode() for text in value])
        if value.dtype == object
        else value
        for name, value in answer.items()
    }


@pytest.mark.parametrize("name", ["reconstruct", "decode", "encode"])
def test_predict(connect, signatures, name):
    inputs = request_of(name)
    got = connect().predict(name, **inputs)
    assert_same(got, as_text(call(signatures, name, inputs)))


def test_methods(signatures):
    with grpc_server(Model(signatures)) as port:
        check_methods(Client("tiny", "127.0.0.1", port), signatures)


def check_methods(client, signatures):
    seed = row_seeds(9, len(TEXTS))
    text = np.array([text.encode() for text in TEXTS], object)
    half = np.full(len(TEXTS), 0.5, np.float32)
    writing = {"seed": seed, "temperature": half}
    wanted = call(signatures, "reconstruct", {"text": text, **writing})
    got = client.reconstruct(TEXTS, seed=9, temperature=0.5)
    assert_same(got, as_text(wanted))
    encoded = client.encode(TEXTS, seed=9)
    assert_same(encoded, call(signatures, "encode", {"text": text, "seed": seed}))
    again = client.decode(encoded["mode"], seed=9, temperature=0.5)
    assert again["text"].tolist() == got["text"].tolist()
    wanted = call(signatures, "generate", writing)
    assert_same(client.generate(5, seed=9, temperature=0.5), as_text(wanted))
    wanted = call(signatures, "score", {"text": text, "seed": seed})
    assert_same(client.score(TEXTS, seed=9), wanted)
    line = client.interpolate(TEXTS[0], TEXTS[1], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(line["z"][0], encoded["mode"][0], rtol=1e-5)
    np.testing.assert_allclose(line["z"][2], encoded["mode"][1], rtol=1e-5)


def test_bytes_pass_unchanged(connect):
    texts = [b"a\0", b"\xff a", "été"]
    got = connect().score(texts)
    assert got["num_tokens"].tolist() == [2, 3, 2]


def test_refusals_are_clear(connect):
    client = connect()
    with pytest.raises(ValueError, match="refused the request.*'sing' not found"):
        client.predict("sing", text=TEXTS)
    with pytest.raises(ValueError, match="refused the request.*seed"):
        client.predict("score", text=TEXTS, seed=np.zeros([5, 3], np.int32))
    with pytest.raises(ValueError, match="number of rows"):
        client.predict("score", text=TEXTS, seed=SEEDS[:2])
    with pytest.raises(ValueError, match="refused the request.*inputs must be"):
        client.predict("score", text=TEXTS)
    with pytest.raises(ValueError, match="Servable not found"):
        connect(version=2).score(TEXTS)
    with pytest.raises(ValueError, match="Servable not found"):
        connect(label="unheard").score(TEXTS)


def test_wrong_dtype(signatures):
    with grpc_server(Model(signatures)) as port:
        client = Client("tiny", "127.0.0.1", port)
        with pytest.raises(ValueError, match="a int32 tensor but is a float tensor"):
            client.predict("score", text=TEXTS, seed=np.zeros([5, 2]))


def test_versions_and_labels(connect):
    assert len(connect(version=1).score(TEXTS)["nll"]) == len(TEXTS)
    assert len(connect(label="stable").score(TEXTS)["nll"]) == len(TEXTS)


def test_unavailable_is_asked_again(connect, signatures):
    model = Model(signatures, trouble=["UNAVAILABLE"] * 2)
    assert len(connect(model, retries=2).score(TEXTS)["nll"]) == len(TEXTS)
    model.trouble = ["UNAVAILABLE"] * 2
    with pytest.raises(ConnectionError, match="no model server answers"):
        connect(model, retries=1).score(TEXTS)


def test_no_server(rest):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        client = Client("tiny", "127.0.0.1", port, rest=rest, retries=1)
        with pytest.raises(ConnectionError, match=f"answers at 127.0.0.1:{port}"):
            client.score(TEXTS)


def test_a_server_that_starts_is_waited_for(rest, signatures):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    answered = threading.Event()

    def serve():
        time.sleep(0.2)
        with SERVERS[rest](Model(signatures), port):
            answered.wait()

    server = threading.Thread(target=serve)
    server.start()
    try:
        client = Client("tiny", "127.0.0.1", port, rest=rest, retries=4)
        assert len(client.score(TEXTS)["nll"]) == len(TEXTS)
    finally:
        answered.set()
        server.join()


def test_time_is_over(connect, signatures):
    client = connect(Model(signatures, pause=1.0), timeout=0.2)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer within 0.2 s"):
        client.score(TEXTS)
    assert time.monotonic() - start < 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 1, "label": "stable"}, "not both"),
        ({"timeout": 0}, "`timeout` must be positive"),
        ({"retries": -1}, "`retries` not negative"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Client("tiny", **options)
