"""A client of TF Serving, by gRPC or REST."""

import reprlib

import numpy as np

from tfvae.checks import require
from tfvae.serving.transport import GrpcTransport, RestTransport


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
        require("batch_size", batch_size, batch_size >= 1, "positive")
        self.batch_size = batch_size
        transport, usual = (RestTransport, 8501) if rest else (GrpcTransport, 8500)
        address = f"{host}:{usual if port is None else port}"
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
        writing = _writing(len(contexts), seed, temperature)
        return self._predict("respond", contexts, labels, **writing)

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
        writing = _writing(len(texts), seed, temperature)
        return self._predict("reconstruct", contexts, labels, text=texts, **writing)

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
        writing = _writing(len(texts), seed, temperature)
        return self._predict("transfer", None, labels, text=texts, **writing)

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
        seed = row_seeds(seed, len(texts))
        return self._predict("encode", contexts, labels, text=texts, seed=seed)

    def decode(self, z, *, contexts=None, labels=None, seed=0, temperature=0.0):
        """Writes a sentence for each code `[B, Z]`."""
        z = _array("z", z)
        if z.dtype.kind not in "if" or z.ndim != 2:
            raise ValueError(
                "`z` must hold numbers `[B, Z]`, a row for each sentence. Received: "
                f"{z.dtype.name} of shape {z.shape}"
            )
        writing = _writing(len(z), seed, temperature)
        return self._predict(
            "decode", contexts, labels, z=z.astype(np.float32), **writing
        )

    def generate(self, num, *, labels=None, seed=0, temperature=1.0):
        """Writes `num` sentences from the model's own distribution."""
        require("num", num, num >= 1, "positive")
        writing = _writing(num, seed, temperature)
        return self._predict("generate", None, labels, **writing)

    def interpolate(self, text_a, text_b, fractions, *, label=None):
        """Writes sentences between two, one for each fraction of the way."""
        fractions = np.asarray(fractions, np.float32)
        labels = None if label is None else [label] * fractions.size
        return self._predict(
            "interpolate",
            None,
            labels,
            text_a=[text_a] * fractions.size,
            text_b=[text_b] * fractions.size,
            fraction=fractions,
        )

    def score(self, texts, *, contexts=None, labels=None, seed=0):
        """Returns the costs of texts in nats and their numbers of tokens."""
        texts = _texts(texts)
        seed = row_seeds(seed, len(texts))
        return self._predict("score", contexts, labels, text=texts, seed=seed)

    def _predict(self, signature, contexts, labels, **inputs):
        """Calls a signature with what stands beside texts, codes and seeds.

        Refuses labels that the model does not know.
        """
        beside = {} if labels is None else {"label": self._numbered(labels)}
        if contexts is not None:
            beside["context"] = self._filled(signature, contexts)
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
