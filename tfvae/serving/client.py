"""A client of TF Serving, by gRPC or REST."""

import base64
import importlib
import json
import types

import numpy as np

_PORTS = {False: 8500, True: 8501}


class Client:
    """Calls the signatures of an export on a TF Serving server.

    A request is sent again, after a growing pause, only where the server could not be
    reached or said that it is unavailable. All answers are functions of the request, so
    asking again is safe.

    Args:
        model: Str, name of the model on the server.
        host: Str. Defaults to `"localhost"`.
        port: Int, or `None` for 8500 (gRPC) or 8501 (REST).
        rest: Whether to use REST. Defaults to `False`, gRPC.
        version: Int, a version of the model, or `None` for the server's latest.
        label: Str, a version label that the server's config defines, or `None`.
        timeout: Positive float, seconds to wait for an answer: by gRPC from the first
            attempt on, by REST from each.
        retries: Non-negative int, attempts after the first; gRPC makes at most 4.

    Raises:
        ValueError: If an argument is out of range, both `version` and `label` are
            given, or gRPC is not installed.
    """

    def __init__(
        self,
        model,
        host="localhost",
        port=None,
        *,
        rest=False,
        version=None,
        label=None,
        timeout=30.0,
        retries=3,
    ):
        if version is not None and label is not None:
            raise ValueError(
                "Give `version` or `label`, not both. Received: "
                f"version={version}, label={label!r}"
            )
        if timeout <= 0 or retries < 0:
            raise ValueError(
                "`timeout` must be positive and `retries` not negative. Received: "
                f"timeout={timeout}, retries={retries}"
            )
        transport = RestTransport if rest else GrpcTransport
        address = f"{host}:{_PORTS[rest] if port is None else port}"
        self._transport = transport(address, model, version, label, timeout, retries)

    def predict(self, signature, **inputs):
        """Calls a signature.

        Args:
            signature: Str, its name.
            inputs: A NumPy array, or what makes one, for each of its inputs. Floats
                are sent as float32, ints as int32, str and bytes as text.

        Returns:
            Dict of NumPy arrays; texts are arrays of str.

        Raises:
            ValueError: If the server refuses the request; the message is its own.
            ConnectionError: If no server answers.
            TimeoutError: If the time is over.
        """
        arrays = {name: _array(value) for name, value in inputs.items()}
        return self._transport.predict(signature, arrays)

    def reconstruct(self, texts, *, seed=0, temperature=0.0):
        """Reconstructs texts; see `predict` for the errors.

        Args:
            texts: List of str or bytes.
            seed: Int, from which each row's seed is made, or int array `[B, 2]`.
            temperature: Float, or float array `[B]`; 0 for the most probable words.

        Returns:
            Dict of arrays, `text` and `token_ids` among them.
        """
        return self.predict(
            "reconstruct", text=texts, **_writing(len(texts), seed, temperature)
        )

    def encode(self, texts, *, seed=0):
        """Returns `mode`, `sample` and the posterior's parameters of texts."""
        return self.predict("encode", text=texts, seed=row_seeds(seed, len(texts)))

    def decode(self, z, *, seed=0, temperature=0.0):
        """Writes a sentence for each code `[B, Z]`."""
        return self.predict("decode", z=z, **_writing(len(z), seed, temperature))

    def generate(self, num, *, seed=0, temperature=1.0):
        """Writes `num` sentences from the model's own distribution."""
        return self.predict("generate", **_writing(num, seed, temperature))

    def interpolate(self, text_a, text_b, fractions):
        """Writes sentences between two, one for each fraction of the way."""
        num = len(fractions)
        return self.predict(
            "interpolate",
            text_a=[text_a] * num,
            text_b=[text_b] * num,
            fraction=np.asarray(fractions, np.float32),
        )

    def score(self, texts, *, seed=0):
        """Returns the costs of texts in nats and their numbers of tokens."""
        return self.predict("score", text=texts, seed=row_seeds(seed, len(texts)))


def row_seeds(seed, num):
    """Creates a seed for each row, int32 `[num, 2]`: `(seed, 0), (seed, 1), ...`.

    >>> row_seeds(7, 2).tolist()
    [[7, 0], [7, 1]]
    """
    if np.ndim(seed):
        return np.asarray(seed, np.int32)
    first = np.full(num, int(seed) & 0x7FFFFFFF)
    return np.stack([first, np.arange(num)], axis=1).astype(np.int32)


def _writing(num, seed, temperature):
    temperature = np.broadcast_to(np.asarray(temperature, np.float32), [num])
    return {"seed": row_seeds(seed, num), "temperature": temperature}


def _array(value):
    """Creates an array of a type that signatures take; texts become bytes."""
    # Not NumPy's own arrays of texts: they drop zeros at the end.
    array = np.asarray(value, object)
    if not any(isinstance(each, (str, bytes)) for each in array.flat):
        array = np.asarray(value)
        kinds = {"f": np.float32, "i": np.int32, "u": np.int32}
        return array.astype(kinds.get(array.dtype.kind, array.dtype))
    texts = np.empty(array.shape, object)
    for index, text in np.ndenumerate(array):
        texts[index] = text.encode("utf-8") if isinstance(text, str) else text
    return texts


# Seconds; it doubles with each attempt.
_PAUSE = 0.1
# gRPC itself makes no more.
_MOST_ATTEMPTS = 5


class Transport:
    """Sends a model's requests to a server; a variant implements `predict`.

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

    def _unreachable(self, detail):
        return ConnectionError(
            f"no model server answers at {self.address}: {detail}. Start one, or set "
            "--host and --port."
        )

    def _late(self):
        return TimeoutError(
            f"{self.address}: no answer within {self.timeout:g} s. Send fewer texts at "
            "once, or allow more time."
        )

    def _refused(self, detail):
        # What TensorFlow writes may have many lines.
        detail = " ".join(str(detail).split())
        return ValueError(f"{self.address} refused the request: {detail}")


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
        channel = grpc.insecure_channel(address, options=list(options.items()))
        self._stub = self._protos.PredictionServiceStub(channel)

    def predict(self, signature, inputs):
        """Calls a signature."""
        import tensorflow as tf

        request = self._protos.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        code = self._grpc.StatusCode
        try:
            response = self._stub.Predict(request, timeout=self.timeout)
        except self._grpc.RpcError as error:
            if error.code() == code.UNAVAILABLE:
                raise self._unreachable(error.details()) from None
            if error.code() == code.DEADLINE_EXCEEDED:
                raise self._late() from None
            detail = f"{error.code().name}, {error.details()}"
            raise self._refused(detail) from None
        outputs = {name: tf.make_ndarray(p) for name, p in response.outputs.items()}
        return {name: _text(value) for name, value in outputs.items()}


class RestTransport(Transport):
    """Sends requests by `POST /v1/models/NAME[/versions/N|/labels/L]:predict`."""

    _unavailable = (502, 503)

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
        self._url = f"http://{address}/v1/models/{model}{which}:predict"
        policy = urllib3.Retry(
            retries,
            # A server that is late is not asked again: the time is over.
            read=False,
            allowed_methods=None,
            status_forcelist=self._unavailable,
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
        """Calls a signature."""
        inputs = {name: _to_json(value) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": inputs}
        try:
            response = self._session.post(self._url, json=body, timeout=self.timeout)
        except self._errors.Timeout:
            raise self._late() from None
        except self._errors.ConnectionError:
            raise self._unreachable("connection refused or broken") from None
        if response.status_code in self._unavailable:
            raise self._unreachable(f"status {response.status_code}")
        try:
            answer = response.json()
        except self._errors.JSONDecodeError:
            detail = f"status {response.status_code} and no JSON; is it TF Serving?"
            raise self._refused(detail) from None
        if "outputs" not in answer:
            raise self._refused(answer.get("error", f"status {response.status_code}"))
        outputs = answer["outputs"]
        if not isinstance(outputs, dict):
            # A signature of a single output is answered without its name.
            outputs = {"output": outputs}
        return {name: _from_json(value) for name, value in outputs.items()}


def _to_json(value):
    if value.dtype != object:
        return value.tolist()
    return [{"b64": base64.b64encode(text).decode("ascii")} for text in value]


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
    "predict_pb2": "PredictRequest",
    "prediction_log_pb2": "PredictionLog",
    "prediction_service_pb2_grpc": "PredictionServiceStub",
}


def import_protos(purpose):
    """Imports the messages.

    Args:
        purpose: Str, what they are needed for.

    Returns:
        Namespace with `PredictRequest`, `PredictionLog`, `PredictionServiceStub`.

    Raises:
        ValueError: If `tensorflow-serving-api` is not installed.
    """
    try:
        found = {
            name: getattr(
                importlib.import_module(f"tensorflow_serving.apis.{file}"), name
            )
            for file, name in _MESSAGES.items()
        }
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package tensorflow-serving-api is needed for {purpose}. Install it "
            f"by `pip install 'tfvae[serving]'`. Received: {error}"
        ) from None
    return types.SimpleNamespace(**found)
