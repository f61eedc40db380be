"""How requests reach TF Serving: by gRPC or by REST."""

import base64
import importlib
import json
import types

import numpy as np

# Seconds; it doubles with each attempt.
_PAUSE = 0.1
# gRPC itself makes no more.
_MOST_ATTEMPTS = 5


class Transport:
    """Sends a model's requests to a server.

    A variant implements `predict` and `input_shapes`.

    Args:
        address: Str, `host:port`.
        model: Str, name of the model.
        version: Int or `None`.
        label: Str or `None`.
        timeout: Positive float, seconds to wait for an answer.
    """

    def __init__(self, address, model, version, label, timeout):
        self.address = address
        self.model = model
        self.version = version
        self.label = label
        self.timeout = timeout

    def predict(self, signature, inputs):
        """Calls a signature; see `Client.predict`."""
        raise NotImplementedError(f"{type(self).__name__} must implement `predict`.")

    def input_shapes(self, signature):
        """Asks the server for the shapes of a signature's inputs.

        Args:
            signature: Str, its name.

        Returns:
            Dict of tuples of ints, -1 for any size; empty for an unknown signature.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must implement `input_shapes`."
        )

    def _unreachable(self, detail):
        return ConnectionError(
            f"no model server answers at {self.address}: {_line(detail)}. Start one, "
            "or set --host and --port."
        )

    def _late(self):
        return TimeoutError(
            f"{self.address}: no answer within {self.timeout:g} s. Send fewer texts at "
            "once, or allow more time."
        )

    def _failed(self, code, detail):
        """Creates the exception for a status that the server itself answered.

        Args:
            code: Str, the status as gRPC names it.
            detail: Str, the server's words.
        """
        detail = _line(detail)
        where = self.address
        if code == "NOT_FOUND" and "servable" in detail.lower():
            which = f"the model {self.model!r}"
            if self.version is not None:
                which += f", version {self.version}"
            if self.label is not None:
                which += f", label {self.label!r}"
            return ValueError(
                f"{where} has not loaded {which}: {detail}. Check the name and the "
                "version; the server's log tells what it has loaded."
            )
        if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED") and "queue" in detail:
            return ConnectionError(
                f"{where} has as many requests waiting as its queue holds: {detail}. "
                "Try again later, or raise max_enqueued_batches of the server."
            )
        if code == "RESOURCE_EXHAUSTED":
            return ConnectionError(
                f"{where} lacks the memory or another resource for the request: "
                f"{detail}. Send fewer texts at once, or try again later."
            )
        if code == "UNAVAILABLE":
            return ConnectionError(
                f"{where} runs but cannot answer now: {detail}. Try again later."
            )
        if code == "DEADLINE_EXCEEDED":
            return TimeoutError(
                f"{where} gave the request up by a time limit of its own: {detail}. "
                "Send fewer texts at once."
            )
        return ValueError(f"{where} refused the request: {code}, {detail}")


def _line(detail):
    """Puts the words of a server, which may have many lines, on one."""
    return " ".join(str(detail).split()).rstrip(".")


class GrpcTransport(Transport):
    """Sends requests by gRPC, `PredictionService.Predict`."""

    def __init__(self, address, model, version, label, timeout, retries):
        super().__init__(address, model, version, label, timeout)
        self._protos = import_protos("gRPC (or use REST)")
        import grpc

        self._grpc = grpc
        policy = {
            "maxAttempts": min(retries + 1, _MOST_ATTEMPTS),
            "initialBackoff": f"{_PAUSE}s",
            "maxBackoff": f"{_PAUSE * 2**_MOST_ATTEMPTS}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        options = {
            "grpc.max_receive_message_length": -1,
            # A server that is starting is looked for at each attempt.
            "grpc.initial_reconnect_backoff_ms": int(1e3 * _PAUSE),
            "grpc.min_reconnect_backoff_ms": int(1e3 * _PAUSE),
            "grpc.enable_retries": int(retries > 0),
        }
        if retries:
            config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}
            options["grpc.service_config"] = json.dumps(config)
        self._channel = grpc.insecure_channel(address, options=list(options.items()))
        self._stub = self._protos.PredictionServiceStub(self._channel)

    def predict(self, signature, inputs):
        """Calls a signature."""
        import tensorflow as tf

        request = self._protos.PredictRequest()
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._call(self._stub.Predict, request)
        outputs = {name: tf.make_ndarray(p) for name, p in response.outputs.items()}
        return {name: _text(value) for name, value in outputs.items()}

    def input_shapes(self, signature):
        """Asks by `PredictionService.GetModelMetadata`."""
        request = self._protos.GetModelMetadataRequest(metadata_field=["signature_def"])
        response = self._call(self._stub.GetModelMetadata, request)
        found = self._protos.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        inputs = found.signature_def[signature].inputs
        return {
            name: tuple(dim.size for dim in info.tensor_shape.dim)
            for name, info in inputs.items()
        }

    def _call(self, method, request):
        """Sends a request for this model; errors become those of `Client.predict`."""
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        try:
            return method(request, timeout=self.timeout)
        except self._grpc.RpcError as error:
            code = error.code().name
            if code == "DEADLINE_EXCEEDED":
                raise self._late() from None
            if code == "UNAVAILABLE" and not self._is_connected():
                raise self._unreachable(error.details()) from None
            raise self._failed(code, error.details()) from None

    def _is_connected(self):
        """Returns whether a server listens, which a status alone does not tell."""
        ready = self._grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=_PAUSE)
        except self._grpc.FutureTimeoutError:
            return False
        finally:
            ready.cancel()
        return True


# What TF Serving's REST API makes of gRPC's statuses, and a proxy before it.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestTransport(Transport):
    """Sends requests to `/v1/models/NAME[/versions/N|/labels/L]`."""

    def __init__(self, address, model, version, label, timeout, retries):
        super().__init__(address, model, version, label, timeout)
        import requests
        import urllib3

        self._errors = requests.exceptions
        which = ""
        if version is not None:
            which = f"/versions/{version}"
        if label is not None:
            which = f"/labels/{label}"
        self._url = f"http://{address}/v1/models/{model}{which}"
        policy = urllib3.Retry(
            retries,
            # A server that is late is not asked again: the time is over.
            read=False,
            allowed_methods=None,
            status_forcelist=(502, 503),
            backoff_factor=_PAUSE,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self._session = requests.Session()
        # A kept connection may break just as it is used, which is not tried again.
        self._session.headers["Connection"] = "close"
        self._session.mount(
            "http://", requests.adapters.HTTPAdapter(max_retries=policy)
        )

    def predict(self, signature, inputs):
        """Calls a signature by `POST ...:predict`."""
        inputs = {name: _to_json(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": inputs}
        outputs = self._call("POST", ":predict", "outputs", json=body)
        if not isinstance(outputs, dict):
            # A signature of a single output is answered without its name.
            outputs = {"output": outputs}
        return {name: _from_json(value) for name, value in outputs.items()}

    def input_shapes(self, signature):
        """Asks by `GET .../metadata`."""
        metadata = self._call("GET", "/metadata", "metadata")
        found = metadata["signature_def"]["signature_def"].get(signature, {})
        return {
            name: tuple(int(dim["size"]) for dim in info["tensor_shape"]["dim"])
            for name, info in found.get("inputs", {}).items()
        }

    def _call(self, method, path, key, **options):
        """Sends a request and returns what its answer holds under a key."""
        options |= {"timeout": self.timeout}
        try:
            response = self._session.request(method, self._url + path, **options)
        except self._errors.Timeout:
            raise self._late() from None
        except self._errors.ConnectionError:
            raise self._unreachable("connection refused or broken") from None
        status = response.status_code
        code = _CODES.get(status, f"status {status}")
        try:
            answer = response.json()
        except self._errors.JSONDecodeError:
            detail = f"status {status} and no JSON; is it TF Serving?"
            raise self._failed(code, detail) from None
        if key not in answer:
            raise self._failed(code, answer.get("error", f"status {status}"))
        return answer[key]


def _to_json(value):
    if value.dtype != object:
        return value.tolist()
    return [
        {"b64": base64.b64encode(item).decode("ascii")}
        if isinstance(item, bytes)
        else _to_json(item)
        for item in value
    ]


def _from_json(value):
    array = np.asarray(value)
    kinds = {"f": np.float32, "i": np.int32}
    return array.astype(kinds.get(array.dtype.kind, array.dtype))


def _text(value):
    if value.dtype != object:
        return value
    return np.array(
        [text.decode("utf-8", "replace") for text in value.ravel()]
    ).reshape(value.shape)


_MESSAGES = {
    "GetModelMetadataRequest": "get_model_metadata_pb2",
    "PredictRequest": "predict_pb2",
    "PredictionLog": "prediction_log_pb2",
    "PredictionServiceStub": "prediction_service_pb2_grpc",
    "SignatureDefMap": "get_model_metadata_pb2",
}


def import_protos(purpose):
    """Imports the messages.

    Args:
        purpose: Str, what they are needed for.

    Returns:
        Namespace of `GetModelMetadataRequest`, `PredictRequest`, `PredictionLog`,
        `PredictionServiceStub` and `SignatureDefMap`.

    Raises:
        ValueError: If `tensorflow-serving-api` is not installed.
    """
    try:
        found = {
            name: getattr(
                importlib.import_module(f"tensorflow_serving.apis.{file}"), name
            )
            for name, file in _MESSAGES.items()
        }
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package tensorflow-serving-api is needed for {purpose}. Install it "
            f"by `pip install 'tfvae[serving]'`. Received: {error}"
        ) from None
    return types.SimpleNamespace(**found)
