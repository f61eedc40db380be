"""A client of TF Serving, by gRPC or REST."""

import base64
import importlib
import json
import reprlib
import types

import numpy as np

_PORTS = {False: 8500, True: 8501}


class Client:
    """Calls the signatures of an export on a TF Serving server.

    A request is sent again, after a growing pause, only where the server could not be
    reached or said that it is unavailable. All answers are functions of the request, so
    asking again is safe. Many rows are sent by several requests, one after the other,
    since a server that batches refuses a request of more rows than a batch may have.

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
        batch_size: Positive int, the most rows of a request. Defaults to `32`.

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
        batch_size=32,
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
        if batch_size < 1:
            raise ValueError(
                f"`batch_size` must be positive. Received: batch_size={batch_size}"
            )
        self.batch_size = batch_size
        transport = RestTransport if rest else GrpcTransport
        address = f"{host}:{_PORTS[rest] if port is None else port}"
        self._transport = transport(address, model, version, label, timeout, retries)
        self._num_turns = {}
        self._label_names = None

    def predict(self, signature, **inputs):
        """Calls a signature.

        Args:
            signature: Str, its name.
            inputs: A NumPy array, or what makes one, for each of its inputs, with one
                row for each answer. Floats are sent as float32, ints as int32, str and
                bytes as text.

        Returns:
            Dict of NumPy arrays; texts are arrays of str.

        Raises:
            ValueError: If the inputs are no rows, none or unequally many, or the server
                refuses a request or does not have the model; the message is its own.
            ConnectionError: If no server answers, or it cannot take a request now.
            TimeoutError: If the time is over.
        """
        arrays = {name: _array(name, value) for name, value in inputs.items()}
        num = _num_rows(arrays)
        answers = [
            self._transport.predict(
                signature,
                {name: a[at : at + self.batch_size] for name, a in arrays.items()},
            )
            for at in range(0, num, self.batch_size)
        ]
        return {name: _join(name, answers) for name in answers[0]}

    def respond(self, contexts, *, labels=None, seed=0, temperature=1.0):
        """Writes a sentence that answers each context; see `predict` for the errors.

        Args:
            contexts: List of contexts, each a str, or a list of str, the turns of a
                dialogue, oldest first.
            labels: List with one label for each context, where the model reads them, a
                str of `label_names()` or its number; or `None`.
            seed: Int, from which each row's seed is made, or int array `[B, 2]`.
            temperature: Float, or float array `[B]`; 0 for the most probable words.

        Returns:
            Dict of arrays, `text` and `token_ids` among them.

        Raises:
            ValueError: If a context has no turn, or more than the served model reads,
                or the model does not know a label.
        """
        num = len(contexts)
        beside = self._beside("respond", contexts, labels)
        return self._predict("respond", beside, **_writing(num, seed, temperature))

    def reconstruct(
        self, texts, *, contexts=None, labels=None, seed=0, temperature=0.0
    ):
        """Reconstructs texts; see `predict` for the errors.

        Args:
            texts: List of str or bytes.
            contexts: List of what each text answers, see `respond`, or `None`.
            labels: List of labels, see `respond`, one for each text, or `None`.
            seed: Int, from which each row's seed is made, or int array `[B, 2]`.
            temperature: Float, or float array `[B]`; 0 for the most probable words.

        Returns:
            Dict of arrays, `text` and `token_ids` among them.
        """
        texts = _texts(texts)
        beside = self._beside("reconstruct", contexts, labels)
        writing = _writing(len(texts), seed, temperature)
        return self._predict("reconstruct", beside, text=texts, **writing)

    def transfer(self, texts, labels, *, seed=0, temperature=0.0):
        """Writes texts again with other labels; see `predict` for the errors.

        Args:
            texts: List of str or bytes.
            labels: Str of `label_names()` or int, its number, for all texts; or a list
                of them, one for each text.
            seed: Int, from which each row's seed is made, or int array `[B, 2]`.
            temperature: Float, or float array `[B]`; 0 for the most probable words.

        Returns:
            Dict of arrays, `text` and `token_ids` among them.

        Raises:
            ValueError: If the model does not know a label.
        """
        texts = _texts(texts)
        if np.ndim(labels) == 0:
            labels = [labels] * len(texts)
        beside = self._beside("transfer", None, labels)
        writing = _writing(len(texts), seed, temperature)
        return self._predict("transfer", beside, text=texts, **writing)

    def label_names(self):
        """Asks the server once for the labels that the model reads.

        Returns:
            Tuple of str, the names of the labels 0, 1 and so on.

        Raises:
            ValueError: If the model reads no labels.
        """
        names = []
        while self._label_names is None:
            numbers = np.arange(len(names), len(names) + self.batch_size)
            answer = self.predict("labels", label=numbers)
            is_known = ~answer["unknown_label"]
            names += answer["name"][is_known].tolist()
            if not is_known.all():
                self._label_names = tuple(names)
        return self._label_names

    def encode(self, texts, *, contexts=None, labels=None, seed=0):
        """Returns `mode`, `sample` and the posterior's parameters of texts."""
        texts = _texts(texts)
        beside = self._beside("encode", contexts, labels)
        seed = row_seeds(seed, len(texts))
        return self._predict("encode", beside, text=texts, seed=seed)

    def decode(self, z, *, contexts=None, labels=None, seed=0, temperature=0.0):
        """Writes a sentence for each code `[B, Z]`."""
        z = _array("z", z)
        if z.dtype.kind not in "if" or z.ndim != 2:
            raise ValueError(
                "`z` must hold numbers `[B, Z]`, a row for each sentence. Received: "
                f"{z.dtype.name} of shape {z.shape}"
            )
        z = z.astype(np.float32)
        beside = self._beside("decode", contexts, labels)
        return self._predict(
            "decode", beside, z=z, **_writing(len(z), seed, temperature)
        )

    def generate(self, num, *, labels=None, seed=0, temperature=1.0):
        """Writes `num` sentences from the model's own distribution."""
        if num < 1:
            raise ValueError(f"`num` must be positive. Received: num={num}")
        beside = self._beside("generate", None, labels)
        return self._predict("generate", beside, **_writing(num, seed, temperature))

    def interpolate(self, text_a, text_b, fractions, *, label=None):
        """Writes sentences between two, one for each fraction of the way."""
        fractions = np.asarray(fractions, np.float32)
        labels = None if label is None else [label] * fractions.size
        return self._predict(
            "interpolate",
            self._beside("interpolate", None, labels),
            text_a=[text_a] * fractions.size,
            text_b=[text_b] * fractions.size,
            fraction=fractions,
        )

    def score(self, texts, *, contexts=None, labels=None, seed=0):
        """Returns the costs of texts in nats and their numbers of tokens."""
        texts = _texts(texts)
        beside = self._beside("score", contexts, labels)
        seed = row_seeds(seed, len(texts))
        return self._predict("score", beside, text=texts, seed=seed)

    def _predict(self, signature, beside, **inputs):
        """Calls a signature and refuses labels that the model does not know."""
        answer = self.predict(signature, **inputs, **beside)
        unknown = answer.pop("unknown_label", np.zeros(1, bool))
        if unknown.any():
            label = beside["label"][int(np.argmax(unknown))]
            raise ValueError(
                "`labels` must be of those that the model was trained on: 0 to "
                f"{len(self.label_names()) - 1}, {', '.join(self.label_names())}. "
                f"Received: {label}"
            )
        return answer

    def _beside(self, signature, contexts, labels):
        """Returns the inputs that stand beside texts, codes and seeds."""
        beside = {} if labels is None else {"label": self._numbered(labels)}
        if contexts is not None:
            beside["context"] = self._filled(signature, contexts)
        return beside

    def _numbered(self, labels):
        """Replaces the names among labels by their numbers."""
        if isinstance(labels, (str, int)):
            raise ValueError(
                "`labels` must be a list with one label for each answer. "
                f"Received: {labels!r}"
            )
        numbers = []
        for label in labels:
            if isinstance(label, str):
                names = self.label_names()
                if label not in names:
                    raise ValueError(
                        f"The label must be one of {', '.join(names)}. Received: "
                        f"{label!r}"
                    )
                label = names.index(label)
            numbers.append(label)
        return np.asarray(numbers)

    def _filled(self, signature, contexts):
        """Fills contexts up to the turns of the served model, bytes `[B, N]`.

        A server that batches takes requests of one width alone, which it is asked for.
        """
        if isinstance(contexts, (str, bytes)):
            raise ValueError(
                "`contexts` must be a list with one context for each answer. "
                f"Received: {contexts!r}"
            )
        rows = [[c] if isinstance(c, (str, bytes)) else list(c) for c in contexts]
        if signature not in self._num_turns:
            shape = self._transport.input_shapes(signature).get("context", (-1, 1))
            self._num_turns[signature] = shape[1]
        num_turns = self._num_turns[signature]
        for row in rows:
            if not 0 < len(row) <= num_turns:
                raise ValueError(
                    f"A context of this model has 1 to {num_turns} turns. Of a longer "
                    f"dialogue send the last ones. Received: {len(row)} turns"
                )
        return _array("contexts", [[""] * (num_turns - len(r)) + r for r in rows])


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
    temperature = np.asarray(temperature, np.float32)
    if not temperature.ndim:
        temperature = np.full(num, temperature)
    return {"seed": row_seeds(seed, num), "temperature": temperature}


def _texts(texts):
    """Checks a list of texts and returns it as an array of bytes `[B]`."""
    array = _array("texts", texts)
    if array.ndim != 1 or (array.size and array.dtype != object):
        raise ValueError(
            "`texts` must be a list of str or bytes. Received: "
            f"{array.dtype.name} of shape {array.shape}"
        )
    return array


def _array(name, value):
    """Creates an array of a type that signatures take; texts become bytes.

    Raises:
        ValueError: If the value has no rows, they are of unequal lengths, or it holds
            what cannot be sent.
    """
    # Not NumPy's own arrays of texts: they drop zeros at the end.
    array = np.asarray(value, object)
    received = f"Received: {reprlib.repr(value)}"
    if not array.ndim:
        raise ValueError(
            f"`{name}` must be a list or an array with a row for each answer. "
            + received
        )
    if any(isinstance(each, (list, tuple, np.ndarray)) for each in array.flat):
        raise ValueError(f"`{name}` must have rows of one length. {received}")
    kinds = {type(each) for each in array.flat}
    if kinds and all(issubclass(kind, (str, bytes)) for kind in kinds):
        texts = np.empty(array.shape, object)
        for index, text in np.ndenumerate(array):
            texts[index] = text.encode("utf-8") if isinstance(text, str) else text
        return texts
    array = np.asarray(value) if kinds else np.zeros(array.shape, np.float32)
    if array.dtype.kind in "iu":
        if int(array.min()) < -(2**31) or int(array.max()) >= 2**31:
            raise ValueError(f"`{name}` must hold ints of 32 bits. {received}")
        return array.astype(np.int32)
    if array.dtype.kind not in "fb":
        held = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(
            f"`{name}` must hold either texts or numbers alone. Received: {held}"
        )
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _num_rows(arrays):
    """Checks that inputs have one number of rows, and at least one; returns it."""
    nums = {name: len(array) for name, array in arrays.items()}
    if len(set(nums.values())) != 1 or not all(nums.values()):
        received = ", ".join(f"{name}: {num}" for name, num in nums.items())
        raise ValueError(
            "The inputs of a request need one number of rows, at least one. Received: "
            f"{received or 'no inputs'}"
        )
    return next(iter(nums.values()))


def _join(name, answers):
    """Joins an output of several requests."""
    if len(answers) == 1:
        return answers[0][name]
    arrays = [answer[name] for answer in answers]
    shapes = {array.shape[1:] if array.ndim else None for array in arrays}
    if len(shapes) > 1 or None in shapes:
        raise ValueError(
            f"The output `{name}` has no fixed shape for a row, so the answers to "
            f"{len(answers)} requests cannot be joined. Send all rows by one, with a "
            f"larger `batch_size`. Received: {[array.shape for array in arrays]}"
        )
    return np.concatenate(arrays)


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
