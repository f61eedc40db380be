"""A small model server for tests: the official messages, one model, batching.

It stands in for TF Serving's own server, which is not run by these tests: the bytes on
the wire, the signatures and the scheduler of batches are the real ones, status texts
are not.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import itertools
import json
import re
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

NAME = "tiny"
VERSION = 1
LABELS = {"stable": 1}
# As TF Serving's REST API translates them.
_STATUS = {
    "DEADLINE_EXCEEDED": 504,
    "INTERNAL": 500,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 503,
    "UNAVAILABLE": 503,
}
_numbers = itertools.count()


class Refused(Exception):
    """An answer that is an error, by gRPC's status code and HTTP's."""

    def __init__(self, message, code="INVALID_ARGUMENT", status=400):
        super().__init__(message)
        self.code = code
        self.status = status


def batched(function, count):
    """Computes together what waits at the same time, at most 32 rows.

    Args:
        function: A signature of a loaded SavedModel.
        count: Function that is called once a batch.

    Returns:
        A function of the same inputs and outputs.
    """
    specs = function.structured_input_signature[1]

    # TensorFlow has the scheduler of TF Serving as an operation.
    @tf.nondifferentiable_batch_function(1, 32, batch_timeout_micros=2000)
    def together(*values):
        with tf.control_dependencies([tf.numpy_function(count, [], [])]):
            values = map(tf.identity, values)
            return function(**dict(zip(specs, values, strict=True)))

    @tf.function(autograph=False)
    def call(**inputs):
        # Operations of one name would share a queue.
        with tf.name_scope(f"batch_{next(_numbers)}"):
            return together(*[inputs[name] for name in specs])

    return call.get_concrete_function(**specs)


class Model:
    """A served model.

    Args:
        signatures: Signatures of a loaded SavedModel.
        batching: Whether requests are batched.
        trouble: List of pairs of a gRPC status name and a message; each is given once,
            before any answer.
        pause: Float, seconds that a request takes at least.
    """

    def __init__(self, signatures, batching=False, trouble=(), pause=0.0):
        self.signatures = signatures
        self.functions = signatures
        self.is_batching = batching
        self.trouble = list(trouble)
        self.pause = pause
        self.num_batches = 0
        self.num_requests = 0
        if batching:
            self.functions = {
                name: batched(function, self._count)
                for name, function in signatures.items()
            }

    def _count(self):
        self.num_batches += 1

    def specs(self, signature):
        """Returns the inputs of a signature."""
        if signature not in self.signatures:
            raise Refused(f"Serving signature key {signature!r} not found.")
        return self.signatures[signature].structured_input_signature[1]

    def _check(self, name, version, label):
        known = version in (None, VERSION) and (label is None or label in LABELS)
        if name != NAME or not known:
            message = f"Servable not found for request: {name}"
            raise Refused(message, "NOT_FOUND", _STATUS["NOT_FOUND"])

    def metadata(self, name, version, label):
        """Returns the shapes of all inputs, as a SavedModel declares them."""
        self._check(name, version, label)
        found = get_model_metadata_pb2.SignatureDefMap()
        for signature in self.signatures:
            inputs = found.signature_def[signature].inputs
            for key, spec in self.specs(signature).items():
                inputs[key].tensor_shape.CopyFrom(spec.shape.as_proto())
        return found

    def predict(self, name, version, label, signature, inputs):
        """Answers a request of arrays."""
        self.num_requests += 1
        time.sleep(self.pause)
        if self.trouble:
            code, message = self.trouble.pop(0)
            raise Refused(message, code, _STATUS[code])
        self._check(name, version, label)
        specs = self.specs(signature)
        if set(inputs) != set(specs):
            raise Refused(f"inputs must be {sorted(specs)}; given: {sorted(inputs)}")
        num = max(len(value) for value in inputs.values())
        if self.is_batching and num > 32:
            raise Refused(f"Task size {num} is larger than maximum input batch size 32")
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        try:
            outputs = self.functions[signature](**tensors)
        except (tf.errors.OpError, ValueError) as error:
            raise Refused(str(error)) from None
        return {key: value.numpy() for key, value in outputs.items()}


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        signature = request.model_spec.signature_name
        outputs = self._answer(context, self.model.predict, request, signature, inputs)
        protos = {name: tf.make_tensor_proto(value) for name, value in outputs.items()}
        return predict_pb2.PredictResponse(outputs=protos)

    def GetModelMetadata(self, request, context):  # noqa: N802
        found = self._answer(context, self.model.metadata, request)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        for field in request.metadata_field:
            response.metadata[field].Pack(found)
        return response

    def _answer(self, context, answer, request, *more):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            return answer(spec.name, version, spec.version_label or None, *more)
        except Refused as error:
            context.abort(grpc.StatusCode[error.code], str(error))


@contextlib.contextmanager
def grpc_server(model, port=0, num_threads=8):
    """Serves a `Model` on a port of the loopback, 0 for a free one; yields the port."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(num_threads))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _Grpc(model), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


class _Rest(http.server.BaseHTTPRequestHandler):
    model = None

    def do_GET(self):  # noqa: N802
        try:
            found = self.model.metadata(*self._spec("/metadata"))
        except Refused as error:
            self._reply(error.status, {"error": str(error)})
            return
        signatures = json_format.MessageToDict(found, preserving_proto_field_name=True)
        self._reply(200, {"metadata": {"signature_def": signatures}})

    def _spec(self, end):
        pattern = r"/v1/models/(\w+)(?:/versions/(\d+))?(?:/labels/(\w+))?" + end
        name, version, label = re.fullmatch(pattern, self.path).groups()
        return name, None if version is None else int(version), label

    def do_POST(self):  # noqa: N802
        name, version, label = self._spec(":predict")
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        signature = body["signature_name"]
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
    if dtype == tf.string:
        return np.array(_decoded(value), object)
    return np.asarray(value, dtype.as_numpy_dtype)


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-8")
    return base64.b64decode(value["b64"])


def _to_json(value):
    if value.dtype != object:
        return value.tolist()
    return [text.decode("utf-8") for text in value]


@contextlib.contextmanager
def rest_server(model, port=0):
    """Serves a `Model` by HTTP, as `grpc_server` does."""
    handler = type("Handler", (_Rest,), {"model": model})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
