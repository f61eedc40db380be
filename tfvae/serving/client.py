"""Asks a model server, by gRPC or by REST."""

import numpy as np

from tfvae.serving.transports import GrpcTransport, RestTransport

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
        timeout: Positive float, seconds for a request, retries included.
        retries: Non-negative int, attempts after the first.

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
        """Writes texts again; see `predict` for the errors.

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
        """Gives `point`, `sample` and the posterior's parameters of texts."""
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
        """Gives the costs of texts in nats and their numbers of tokens."""
        return self.predict("score", text=texts, seed=row_seeds(seed, len(texts)))


def row_seeds(seed, num):
    """Makes a seed for each row, int32 `[num, 2]`: `(seed, 0), (seed, 1), ...`.

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
    """Makes an array of a type that signatures take; texts become bytes."""
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
