"""A small model server for tests: the official messages, one model, batching.

It stands in for TF Serving's own server, which is not run by these tests: the bytes on
the wire and the signatures are the real ones, scheduling and status texts are not.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import queue
import re
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

NAME = "tiny"
VERSION = 1
LABELS = {"stable": 1}


class Refused(Exception):
    """An answer that is an error, by gRPC's status code and HTTP's."""

    def __init__(self, message, code="INVALID_ARGUMENT", status=400):
        super().__init__(message)
        self.code = code
        self.status = status


class Batcher:
    """Runs requests of a signature together, those that wait at the same time.

    Args:
        function: Function of named tensors to named tensors.
        most_rows: Int, rows after which a batch is closed.
        wait: Float, seconds to wait for more.
    """

    def __init__(self, function, most_rows=32, wait=0.002):
        self._function = function
        self._most_rows = most_rows
        self._wait = wait
        self._queue = queue.Queue()
        self.sizes = []
        threading.Thread(target=self._work, daemon=True).start()

    def __call__(self, inputs):
        """Answers a request, waiting for its batch."""
        future = concurrent.futures.Future()
        self._queue.put((inputs, future))
        return future.result()

    def _work(self):
        while True:
            held = [self._queue.get()]
            end = time.monotonic() + self._wait
            while self._num_rows(held) < self._most_rows:
                try:
                    held.append(self._queue.get(timeout=end - time.monotonic()))
                except (queue.Empty, ValueError):
                    break
            self._run(held)

    def _num_rows(self, held):
        return sum(len(next(iter(inputs.values()))) for inputs, _ in held)

    def _run(self, held):
        self.sizes.append(len(held))
        try:
            merged = {
                name: np.concatenate([inputs[name] for inputs, _ in held])
                for name in held[0][0]
            }
            outputs = answer(self._function, merged)
        except (tf.errors.OpError, ValueError) as error:
            for _, future in held:
                future.set_exception(Refused(str(error)))
            return
        start = 0
        for inputs, future in held:
            end = start + len(next(iter(inputs.values())))
            future.set_result({k: v[start:end] for k, v in outputs.items()})
            start = end


def answer(function, inputs):
    """Calls a signature, arrays to arrays."""
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    return {name: value.numpy() for name, value in function(**tensors).items()}


class Model:
    """A served model.

    Args:
        signatures: Signatures of a loaded SavedModel.
        batching: Whether requests are batched.
        trouble: List of gRPC status names; each is given once, before any answer.
        pause: Float, seconds that a request takes at least.
    """

    def __init__(self, signatures, batching=False, trouble=(), pause=0.0):
        self.signatures = signatures
        self.trouble = list(trouble)
        self.pause = pause
        self.batchers = {}
        if batching:
            self.batchers = {k: Batcher(f) for k, f in signatures.items()}

    def specs(self, signature):
        """Gives the inputs of a signature."""
        if signature not in self.signatures:
            raise Refused(f"Serving signature key {signature!r} not found.")
        return self.signatures[signature].structured_input_signature[1]

    def predict(self, name, version, label, signature, inputs):
        """Answers a request of arrays."""
        time.sleep(self.pause)
        if self.trouble:
            raise Refused("for a test", self.trouble.pop(0), 503)
        known = version in (None, VERSION) and (label is None or label in LABELS)
        if name != NAME or not known:
            raise Refused(f"Servable not found: {name}", "NOT_FOUND", 404)
        specs = self.specs(signature)
        if set(inputs) != set(specs):
            raise Refused(f"inputs must be {sorted(specs)}; given: {sorted(inputs)}")
        for key, spec in specs.items():
            dtype = tf.as_dtype(inputs[key].dtype)
            if dtype != spec.dtype:
                raise Refused(f"{key}: {dtype.name} given, {spec.dtype.name} wanted")
            if not spec.shape.is_compatible_with(inputs[key].shape):
                raise Refused(f"{key}: shape {inputs[key].shape}, wanted {spec.shape}")
        if self.batchers:
            return self.batchers[signature](inputs)
        try:
            return answer(self.signatures[signature], inputs)
        except (tf.errors.OpError, ValueError) as error:
            raise Refused(str(error)) from None


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        choice = spec.WhichOneof("version_choice")
        try:
            outputs = self.model.predict(
                spec.name,
                spec.version.value if choice == "version" else None,
                spec.version_label if choice == "version_label" else None,
                spec.signature_name or "serving_default",
                {k: tf.make_ndarray(v) for k, v in request.inputs.items()},
            )
        except Refused as error:
            context.abort(grpc.StatusCode[error.code], str(error))
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@contextlib.contextmanager
def grpc_server(model, num_threads=8):
    """Serves a `Model` on a free port of the loopback; gives the port."""
    threads = concurrent.futures.ThreadPoolExecutor(num_threads)
    server = grpc.server(threads)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Grpc(model), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class _Rest(http.server.BaseHTTPRequestHandler):
    model = None

    def do_POST(self):  # noqa: N802
        pattern = r"/v1/models/(\w+)(?:/versions/(\d+))?(?:/labels/(\w+))?:predict"
        name, version, label = re.fullmatch(pattern, self.path).groups()
        size = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(size))
        signature = body.get("signature_name", "serving_default")
        version = None if version is None else int(version)
        try:
            specs = self.model.specs(signature)
            inputs = {
                key: _from_json(value, specs[key].dtype)
                for key, value in body["inputs"].items()
            }
            outputs = self.model.predict(name, version, label, signature, inputs)
            self._reply(200, {"outputs": {k: _to_json(v) for k, v in outputs.items()}})
        except Refused as error:
            self._reply(error.status, {"error": str(error)})

    def _reply(self, status, content):
        content = json.dumps(content).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def _from_json(value, dtype):
    if dtype != tf.string:
        return np.asarray(value, dtype.as_numpy_dtype)
    texts = [
        base64.b64decode(each["b64"]) if isinstance(each, dict) else each.encode()
        for each in value
    ]
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def _to_json(value):
    if value.dtype != object:
        return value.tolist()
    return [text.decode("utf-8") for text in value]


@contextlib.contextmanager
def rest_server(model):
    """Serves a `Model` by HTTP on a free port of the loopback; gives the port."""
    handler = type("Handler", (_Rest,), {"model": model})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
