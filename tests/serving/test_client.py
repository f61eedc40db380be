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
from tests.serving.support import (
    CONDITIONAL,
    NUM_TURNS,
    SEEDS,
    TEXTS,
    assert_same,
    call,
    request_of,
)
from tfvae.serving import Client, signatures_of
from tfvae.serving.client import row_seeds
from tfvae.serving.per_example import InferenceEngine

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


def test_contexts_are_filled_up(rest):
    model = CONDITIONAL["both"]()
    table = {each.name: each for each in signatures_of(model, NUM_TURNS)}
    engine = InferenceEngine(model, 7, 2)
    names = ("respond", "score", "decode", "labels")
    served = {name: table[name].trace(engine) for name in names}
    contexts = ["a cat", ["the dog", "ran"], [b"a", "\u00e9t\u00e9", "saw"]]
    filled = [["", "", "a cat"], ["", "the dog", "ran"], ["a", "été", "saw"]]
    filled = np.array([[text.encode() for text in row] for row in filled], object)
    labels = np.array([2, 0, 1], np.int32)
    seed = row_seeds(5, 3)
    warm = {"seed": seed, "temperature": np.ones(3, np.float32)}
    text = np.array([text.encode() for text in TEXTS[:3]], object)
    with SERVERS[rest](Model(served, batching=True)) as port:
        client = Client("tiny", "127.0.0.1", port, rest=rest)
        got = client.respond(contexts, labels=labels, seed=5)
        beside = {"context": filled, "label": labels}
        wanted = as_text(call(served, "respond", {**beside, **warm}))
        assert not wanted.pop("unknown_label").any()
        assert_same(got, wanted)
        again = client.decode(
            got["z"], contexts=contexts, labels=labels, seed=5, temperature=1.0
        )
        assert again["text"].tolist() == got["text"].tolist()
        scores = client.score(TEXTS[:3], contexts=contexts, labels=labels, seed=5)
        wanted = call(served, "score", {**beside, "text": text, "seed": seed})
        del wanted["unknown_label"]
        assert_same(scores, wanted)
        with pytest.raises(ValueError, match="1 to 3 turns.*Received: 4 turns"):
            client.respond([["a"] * 4], labels=[0])
        with pytest.raises(ValueError, match="1 to 3 turns.*Received: 0 turns"):
            client.respond(["a", []], labels=[0, 0])
        with pytest.raises(ValueError, match="a list with one context for each"):
            client.respond("a", labels=[0])
        with pytest.raises(ValueError, match="of those that the model was.* 7$"):
            client.respond(["a", "a"], labels=[0, 7])
        with pytest.raises(ValueError, match="refused the request.*inputs must be"):
            client.respond(["a"])
        with pytest.raises(ValueError, match="label 'unheard': Servable not found"):
            Client("tiny", "127.0.0.1", port, rest=rest, label="unheard").respond(["a"])


def test_labels_by_their_names(rest):
    model = CONDITIONAL["arae"]()
    engine = InferenceEngine(model, 7, 2)
    table = {each.name: each for each in signatures_of(model)}
    names = ("transfer", "generate", "labels")
    served = {name: table[name].trace(engine) for name in names}
    given = {
        "text": np.array([text.encode() for text in TEXTS[:2]], object),
        "label": np.array([2, 0], np.int32),
        "seed": row_seeds(5, 2),
        "temperature": np.zeros(2, np.float32),
    }
    # One more label than a request has rows, as many, and fewer.
    for batch_size in (2, 3, 32):
        with SERVERS[rest](Model(served, batching=True)) as port:
            client = Client("tiny", "127.0.0.1", port, rest=rest, batch_size=batch_size)
            assert client.label_names() == ("bad", "fair", "good")
    with SERVERS[rest](Model(served, batching=True)) as port:
        client = Client("tiny", "127.0.0.1", port, rest=rest)
        wanted = as_text(call(served, "transfer", given))
        del wanted["unknown_label"]
        for labels in (["good", "bad"], [2, "bad"], np.array([2, 0])):
            assert_same(client.transfer(TEXTS[:2], labels, seed=5), wanted)
        given["label"][:] = 1
        wanted = call(served, "transfer", given)["text"].tolist()
        for label in ("fair", 1):
            got = client.transfer(TEXTS[:2], label, seed=5)["text"].tolist()
            assert got == [text.decode() for text in wanted]
        number = client.generate(2, labels=[2, 2])["text"].tolist()
        assert client.generate(2, labels=["good"] * 2)["text"].tolist() == number
        with pytest.raises(ValueError, match="one of bad, fair, good. .* 'sad'$"):
            client.transfer(TEXTS, "sad")
        with pytest.raises(ValueError, match="on: 0 to 2, bad, fair, good. .* 7$"):
            client.transfer(TEXTS[:2], [0, 7])
        with pytest.raises(ValueError, match="one label for each answer"):
            client.generate(2, labels="good")
        with pytest.raises(ValueError, match="one number of rows"):
            client.transfer(TEXTS[:3], ["good", "bad"])
    with SERVERS[rest](Model({"transfer": served["transfer"]})) as port:
        with pytest.raises(ValueError, match="'labels' not found"):
            Client("tiny", "127.0.0.1", port, rest=rest).transfer(TEXTS, "good")


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
    with pytest.raises(ValueError, match="'tiny', version 2: Servable not found"):
        connect(version=2).score(TEXTS)
    with pytest.raises(ValueError, match="label 'unheard': Servable not found"):
        connect(label="unheard").score(TEXTS)


LINES = [f"{text} {word}" for text in TEXTS for word in ("a", "cat", "été")] * 3


def test_many_rows_are_several_requests(connect, signatures):
    lines = LINES[:33]
    model = Model(signatures, batching=True)
    client = connect(model)
    got = client.reconstruct(lines, seed=3, temperature=0.7)
    assert model.num_requests == 2
    seeds = row_seeds(3, 33)
    warm = np.full(33, 0.7, np.float32)
    rows = [
        client.predict(
            "reconstruct",
            text=lines[row : row + 1],
            seed=seeds[row : row + 1],
            temperature=warm[row : row + 1],
        )
        for row in range(33)
    ]
    assert model.num_requests == 2 + 33
    wanted = {name: np.concatenate([row[name] for row in rows]) for name in got}
    assert_same(got, wanted)
    assert got["text"].tolist() == wanted["text"].tolist()


def test_rows_of_a_request_are_chosen(connect, signatures):
    model = Model(signatures)
    client = connect(model, batch_size=2)
    assert len(client.generate(5)["text"]) == 5
    assert model.num_requests == 3
    whole = connect(Model(signatures), batch_size=100)
    assert_same(client.generate(5, seed=1), whole.generate(5, seed=1))


def test_an_output_without_a_rows_shape_is_not_joined(signatures, monkeypatch):
    client = Client("tiny", rest=True, batch_size=2)
    monkeypatch.setattr(
        client._transport,
        "predict",
        lambda signature, inputs: {"ids": np.zeros([2, int(inputs["x"].max())])},
    )
    with pytest.raises(ValueError, match="`ids` has no fixed shape .*larger `batch_si"):
        client.predict("mine", x=[1, 2, 3, 4])
    assert client.predict("mine", x=[1, 2])["ids"].shape == (2, 2)


NO_ROWS = "one number of rows, at least one"


@pytest.mark.parametrize(
    ("method", "inputs", "message"),
    [
        ("score", ([],), NO_ROWS),
        ("encode", (np.zeros([0], object),), NO_ROWS),
        ("generate", (0,), "`num` must be positive. Received: num=0"),
        ("interpolate", ("a", "a cat", []), NO_ROWS),
        ("decode", (np.zeros([0, 2]),), NO_ROWS),
        ("score", ("a cat",), "`texts` must be a list .*Received: 'a cat'"),
        ("score", ([1, 2],), "`texts` must be a list of str or bytes.*int32"),
        ("score", (["a", 2],), "`texts` must hold either texts or numbers.*int, str"),
        ("score", ([["a"], ["b", "c"]],), "`texts` must have rows of one length"),
        ("decode", ([[1.0], [1.0, 2.0]],), "`z` must have rows of one length"),
        ("decode", ([1.0, 2.0],), r"`z` must hold numbers `\[B, Z\]`.*shape \(2,\)"),
        ("decode", (["a"],), r"`z` must hold numbers `\[B, Z\]`"),
        ("interpolate", ("a", "a cat", 0.5), "`fraction` must be a list or an array"),
    ],
)
def test_what_is_no_request_is_not_sent(method, inputs, message):
    # No server is there to answer.
    client = Client("tiny", "127.0.0.1", 9, rest=True, retries=0)
    with pytest.raises(ValueError, match=message) as caught:
        getattr(client, method)(*inputs)
    assert "\n" not in str(caught.value)


def test_numbers_that_do_not_fit_are_not_sent():
    client = Client("tiny", "127.0.0.1", 9, rest=True, retries=0)
    with pytest.raises(ValueError, match="`seed` must hold ints of 32 bits"):
        client.predict("score", text=["a"], seed=[[0, 2**31]])
    with pytest.raises(ValueError, match="text: 1, seed: 2"):
        client.predict("score", text=["a"], seed=[[0, 1], [0, 2]])


def test_wrong_dtype(signatures):
    with grpc_server(Model(signatures)) as port:
        client = Client("tiny", "127.0.0.1", port)
        with pytest.raises(ValueError, match="a int32 tensor but is a float tensor"):
            client.predict("score", text=TEXTS, seed=np.zeros([5, 2]))


def test_versions_and_labels(connect):
    assert len(connect(version=1).score(TEXTS)["nll"]) == len(TEXTS)
    assert len(connect(label="stable").score(TEXTS)["nll"]) == len(TEXTS)


BUSY = ("UNAVAILABLE", "for a test")


def test_unavailable_is_asked_again(connect, signatures):
    model = Model(signatures, trouble=[BUSY] * 2)
    assert len(connect(model, retries=2).score(TEXTS)["nll"]) == len(TEXTS)
    model.trouble = [BUSY] * 2
    with pytest.raises(ConnectionError, match="runs but cannot answer now: for a test"):
        connect(model, retries=1).score(TEXTS)


QUEUE = (
    "The batch scheduling queue to which this task was submitted is full; "
    "currently 100 batches enqueued and max_enqueued_batches is 100"
)


@pytest.mark.parametrize(
    ("code", "message", "kind", "sentence"),
    [
        ("UNAVAILABLE", QUEUE, ConnectionError, "as many requests waiting as its"),
        ("RESOURCE_EXHAUSTED", QUEUE, ConnectionError, "as many requests waiting"),
        ("NOT_FOUND", "Servable not found", ValueError, "not loaded the model 'tiny'"),
        ("INTERNAL", "what\n failed", ValueError, "refused the request: .*, what fail"),
    ],
)
def test_each_status_has_its_sentence(
    connect, signatures, code, message, kind, sentence
):
    client = connect(Model(signatures, trouble=[(code, message)]), retries=0)
    with pytest.raises(kind, match=sentence) as caught:
        client.score(TEXTS)
    assert "no model server answers" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(client.score(TEXTS)["nll"]) == len(TEXTS)


def test_a_lack_of_memory(signatures):
    # By REST it has the status of a server that is unavailable.
    trouble = [("RESOURCE_EXHAUSTED", "OOM when allocating tensor")]
    with grpc_server(Model(signatures, trouble=trouble)) as port:
        client = Client("tiny", "127.0.0.1", port, retries=0)
        with pytest.raises(ConnectionError, match="lacks the memory .*: OOM when"):
            client.score(TEXTS)


def test_a_time_limit_of_the_server(signatures):
    trouble = [("DEADLINE_EXCEEDED", "30 s are over")]
    with rest_server(Model(signatures, trouble=trouble)) as port:
        client = Client("tiny", "127.0.0.1", port, rest=True, retries=0)
        with pytest.raises(TimeoutError, match="time limit of its own: 30 s are"):
            client.score(TEXTS)


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
        ({"batch_size": 0}, "`batch_size` must be positive"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Client("tiny", **options)
