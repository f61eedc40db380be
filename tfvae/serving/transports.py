"""Requests over the wire, with timeouts and retries."""

import base64
import time

import numpy as np

from tfvae.serving.protos import import_protos

_FIRST_PAUSE = 0.1
_STATUS_UNAVAILABLE = (502, 503)


class Transport:
    """Sends requests of one model until one is answered; a variant sends one.

    Args:
        address: Str, `host:port`.
        model: Str, name of the model.
        version: Int or `None`.
        label: Str or `None`.
        timeout: Positive float, seconds for a request, retries included.
        retries: Non-negative int, attempts after the first.
    """

    def __init__(self, address, model, version, label, timeout, retries):
        self.address = address
        self.model = model
        self.version = version
        self.label = label
        self.timeout = timeout
        self.retries = retries

    def predict(self, signature, inputs):
        """Calls a signature; see `Client.predict`."""
        end = time.monotonic() + self.timeout
        for attempt in range(self.retries + 1):
            if attempt:
                pause = _FIRST_PAUSE * 2 ** (attempt - 1)
                time.sleep(max(min(pause, end - time.monotonic()), 0.0))
            try:
                left = end - time.monotonic()
                if left <= 0:
                    raise self._late()
                return self.send(signature, inputs, left)
            except ConnectionError as error:
                last = error
        raise last

    def send(self, signature, inputs, timeout):
        """Sends one request; a `ConnectionError` is worth another attempt."""
        raise NotImplementedError(f"{type(self).__name__} must implement `send`.")

    def _away(self, detail):
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
        return ValueError(f"{self.address} refused the request: {detail}")


class GrpcTransport(Transport):
    """Uses `PredictionService.Predict`."""

    def __init__(self, address, model, version, label, timeout, retries):
        super().__init__(address, model, version, label, timeout, retries)
        self._protos = import_protos("gRPC (or use REST)")
        import grpc

        self._grpc = grpc
        channel = grpc.insecure_channel(
            address, options=[("grpc.max_receive_message_length", -1)]
        )
        self._stub = self._protos.PredictionServiceStub(channel)

    def send(self, signature, inputs, timeout):
        """Sends one request."""
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
            response = self._stub.Predict(request, timeout=timeout)
        except self._grpc.RpcError as error:
            if error.code() == code.UNAVAILABLE:
                raise self._away(error.details()) from None
            if error.code() == code.DEADLINE_EXCEEDED:
                raise self._late() from None
            detail = f"{error.code().name}, {error.details()}"
            raise self._refused(detail) from None
        outputs = {name: tf.make_ndarray(p) for name, p in response.outputs.items()}
        return {name: _text(value) for name, value in outputs.items()}


class RestTransport(Transport):
    """Uses `POST /v1/models/NAME[/versions/N|/labels/L]:predict`."""

    def send(self, signature, inputs, timeout):
        """Sends one request."""
        import requests

        which = ""
        if self.version is not None:
            which = f"/versions/{self.version}"
        if self.label is not None:
            which = f"/labels/{self.label}"
        url = f"http://{self.address}/v1/models/{self.model}{which}:predict"
        body = {
            "signature_name": signature,
            "inputs": {name: _to_json(value) for name, value in inputs.items()},
        }
        try:
            response = requests.post(url, json=body, timeout=timeout)
        except requests.exceptions.Timeout:
            raise self._late() from None
        except requests.exceptions.ConnectionError:
            raise self._away("connection refused or broken") from None
        if response.status_code in _STATUS_UNAVAILABLE:
            raise self._away(f"status {response.status_code}")
        try:
            answer = response.json()
        except requests.exceptions.JSONDecodeError:
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
