"""The nearest sentences by their latent codes."""

import hashlib
import itertools
import os
import zipfile

import numpy as np

from tfvae.files import replacing
from tfvae.models.writing import encode, encode_means

_KEYS = {"points", "texts", "ends", "fingerprint"}


def neighbours(model, texts, queries, num=5):
    """Finds the sentences whose codes are nearest to those of others.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str, the sentences to search.
        queries: Str or list of str.
        num: Positive int, neighbours per query. Defaults to `5`.

    Returns:
        List of lists, one per query, of tuples of a sentence and the cosine of its
        code with the query's; see `NeighbourIndex.query`. The query itself is left
        out.

    Raises:
        ValueError: If `num` is not positive, there is no sentence, one has no words, or
            the model has no latent or no tokenizer.
    """
    queries = [queries] if isinstance(queries, str) else list(queries)
    index = NeighbourIndex.build(model, texts)
    return index.query(encode_means(model, queries), num, queries)


class NeighbourIndex:
    """Sentences with the directions of their codes, searched by cosine.

    The search is exact: one matrix product with all codes.

    Args:
        texts: List of `N` str.
        codes: Float array `[N, Z]`, the code of each text.
        fingerprint: Str that identifies the model that made the codes.
        lines: List of `N` int, the line of each text in its file, or `None`.

    Raises:
        ValueError: If there is no sentence or the sizes differ.

    References:
        VAE-MINE, whose table of neighbours is of the posterior's mean and the cosine,
        and leaves out the query.
    """

    def __init__(self, texts, codes, fingerprint="", lines=None):
        codes = np.asarray(codes, np.float32)
        if len(texts) == 0 or codes.ndim != 2 or len(texts) != len(codes):
            raise ValueError(
                "`texts` and `codes` must be as many, and at least one. Received: "
                f"{len(texts)} texts, codes of shape {codes.shape}"
            )
        self.texts = list(texts)
        self.fingerprint = fingerprint
        self.lines = None if lines is None else [int(line) for line in lines]
        self.directions = _directions(codes)

    @classmethod
    def build(cls, model, texts, *, lines=None, max_length=None, batch_size=100):
        """Encodes sentences, in batches.

        Args:
            model: `VAE` with a tokenizer.
            texts: Iterable of str.
            lines: List of int, the line of each text in its file, or `None`.
            max_length: Int, words after which a sentence is cut, or `None`.
            batch_size: Positive int, sentences at once.

        Returns:
            A `NeighbourIndex` of the posteriors' modes.

        Raises:
            ValueError: If the model has no latent or no tokenizer, there is no
                sentence, or one has no words.
        """
        kept, codes = [], []
        batches = encode(model, texts, max_length=max_length, batch_size=batch_size)
        for batch, of_batch in batches:
            kept += batch
            codes.append(of_batch)
        codes = np.concatenate(codes) if codes else np.zeros([0, 0])
        return cls(kept, codes, fingerprint_of(model), lines)

    def query(self, codes, num=5, texts=None):
        """Finds the nearest sentences.

        Args:
            codes: Float array `[Q, Z]`.
            num: Positive int, neighbours per query. Defaults to `5`.
            texts: List of `Q` str, the sentences of the codes, or `None`. A neighbour
                of the same words is left out.

        Returns:
            List of `Q` lists of at most `num` tuples of a sentence and its cosine, a
            float in `[-1, 1]`, the largest first; equal ones in the index's order.

        Raises:
            ValueError: If `num` is not positive or `Z` is another.
        """
        found = self.query_places(codes, num, texts)
        return [[(self.texts[place], cosine) for place, cosine in row] for row in found]

    def query_places(self, codes, num=5, texts=None):
        """Finds the places in `texts` of the nearest sentences; see `query`."""
        codes = np.asarray(codes, np.float32)
        num_columns = self.directions.shape[1]
        if num < 1:
            raise ValueError(f"`num` must be positive. Received: num={num}")
        if codes.ndim != 2 or codes.shape[1] != num_columns:
            raise ValueError(
                f"`codes` must have {num_columns} columns, as the index has. "
                f"Received: shape={codes.shape}"
            )
        texts = [None] * len(codes) if texts is None else texts
        cosines = _directions(codes) @ self.directions.T
        return [
            list(itertools.islice(self._ranked(row, text), num))
            for row, text in zip(cosines, texts, strict=True)
        ]

    def _ranked(self, cosines, text):
        for place in np.argsort(-cosines, kind="stable"):
            other = self.texts[place]
            if text is None or other.split() != text.split():
                yield int(place), float(np.clip(cosines[place], -1.0, 1.0))

    def record(self, place):
        """Returns a sentence as a dict, with its `"line"` where that is known."""
        line = {} if self.lines is None else {"line": self.lines[place]}
        return {**line, "text": self.texts[place]}

    def save(self, path):
        """Writes the index to an `.npz` file, completely or not at all.

        Args:
            path: Path of the file; it is replaced.
        """
        encoded = [text.encode("utf-8") for text in self.texts]
        lines = {} if self.lines is None else {"lines": np.asarray(self.lines)}
        with replacing(path) as beside, open(beside, "wb") as file:
            np.savez_compressed(
                file,
                points=self.directions,
                # One block of bytes: NumPy pads strings to the longest.
                texts=np.frombuffer(b"".join(encoded), np.uint8),
                ends=np.cumsum([len(text) for text in encoded]),
                fingerprint=np.array(self.fingerprint),
                **lines,
            )

    @classmethod
    def load(cls, path, model=None):
        """Reads an index.

        Args:
            path: Path of the file.
            model: `VAE` that must have made the index, or `None` not to check.

        Returns:
            A `NeighbourIndex`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is damaged or no index, or another model's.
        """
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"{path}: no such index. Make it from a text: give --data too."
            )
        arrays = _read(path)
        if model is not None and str(arrays["fingerprint"]) != fingerprint_of(model):
            num_columns = arrays["points"].shape[-1]
            raise ValueError(
                f"{path}: the index was made by another model, with codes of "
                f"{num_columns} numbers; this one's have {model.posterior.latent_dim}. "
                "Choose another file, or delete it to make it anew."
            )
        content, starts = arrays["texts"].tobytes(), [0, *arrays["ends"].tolist()]
        texts = [
            content[start:end].decode("utf-8")
            for start, end in itertools.pairwise(starts)
        ]
        fingerprint = str(arrays["fingerprint"])
        return cls(texts, arrays["points"], fingerprint, arrays.get("lines"))


def digest(texts):
    """Computes a hash of a list of sentences, a str."""
    total = hashlib.sha256()
    for text in texts:
        total.update(text.encode("utf-8") + b"\n")
    return total.hexdigest()


def fingerprint_of(model):
    """Computes a hash of the weights of a model's encoder and posterior, a str."""
    total = hashlib.sha256()
    for part in (model.encoder, model.posterior):
        for weights in part.get_weights():
            total.update(str(weights.shape).encode())
            total.update(np.ascontiguousarray(weights).tobytes())
    return total.hexdigest()


def _read(path):
    try:
        # Opened here: NumPy leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except (zipfile.BadZipFile, EOFError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: no index, or a damaged one. Delete it to make it anew."
        ) from error
    if not _KEYS <= set(arrays):
        raise ValueError(f"{path}: no index of neighbours. Choose another file.")
    return arrays


def _directions(codes):
    norms = np.linalg.norm(codes, axis=1, keepdims=True)
    # A code of zero has no direction: its cosines are 0.
    return codes / np.maximum(norms, np.finfo(np.float32).tiny)
