"""The nearest sentences by their latent codes."""

import hashlib
import itertools
import json
import os
import zipfile

import numpy as np

from tfvae.checks import require
from tfvae.files import replacing
from tfvae.models.inputs import rows_of, text_of
from tfvae.models.writing import encode, encode_means

_KEYS = {"points", "texts", "ends", "fingerprint"}


def neighbours(
    model,
    texts,
    queries,
    num=5,
    *,
    contexts=None,
    labels=None,
    query_contexts=None,
    query_labels=None,
):
    """Finds the sentences whose codes are nearest to those of others.

    Args:
        model: `VAE` with a tokenizer.
        texts: Iterable of str, the sentences to search.
        queries: Str or list of str.
        num: Positive int, neighbours per query. Defaults to `5`.
        contexts: List of what each text answers, see `TextModel.respond`; `None` for a
            model that reads no contexts.
        labels: List of str or int, one for each text, or `None` for a model that reads
            none.
        query_contexts: List, the same for each query, or `None`.
        query_labels: List of str or int, the same for each query, or `None`.

    Returns:
        List of lists, one per query, of tuples of a sentence and the cosine of its
        code with the query's; see `NeighbourIndex.query`. The query itself is left
        out.

    Raises:
        ValueError: If `num` is not positive, there is no sentence, one has no words,
            the model has no latent or no tokenizer, or contexts or labels are missing
            or not wanted.
    """
    queries = [queries] if isinstance(queries, str) else list(queries)
    codes = encode_means(model, queries, contexts=query_contexts, labels=query_labels)
    if model.requires or contexts is not None or labels is not None:
        texts = rows_of(model, texts, contexts, labels)
    index = NeighbourIndex.build(model, texts)
    return index.query(codes, num, queries)


class NeighbourIndex:
    """Sentences with the directions of their codes, searched by cosine.

    The search is exact: one matrix product with all codes.

    Args:
        rows: List of `N` str, or of dicts that hold a `"text"` and its context.
        codes: Float array `[N, Z]`, the code of each text.
        fingerprint: Str that identifies the model that made the codes.
        lines: List of `N` int, the line of each text in its file, or `None`.

    Attributes:
        texts: List of `N` str, the sentences alone.

    Raises:
        ValueError: If there is no sentence or the sizes differ.

    References:
        VAE-MINE, whose table of neighbours is of the posterior's mean and the cosine,
        and leaves out the query.
    """

    def __init__(self, rows, codes, fingerprint="", lines=None):
        codes = np.asarray(codes, np.float32)
        if len(rows) == 0 or codes.ndim != 2 or len(rows) != len(codes):
            raise ValueError(
                "`texts` and `codes` must be as many, and at least one. Received: "
                f"{len(rows)} texts, codes of shape {codes.shape}"
            )
        self.rows = list(rows)
        self.texts = [text_of(row) for row in self.rows]
        self.fingerprint = fingerprint
        self.lines = None if lines is None else [int(line) for line in lines]
        self.directions = _directions(codes)

    @classmethod
    def build(
        cls,
        model,
        rows,
        *,
        lines=None,
        max_length=None,
        max_context_length=None,
        batch_size=100,
    ):
        """Encodes sentences, in batches.

        Args:
            model: `VAE` with a tokenizer.
            rows: Iterable of str; for a model with a condition, of dicts with
                `"text"`, `"context"` and `"label"`.
            lines: List of int, the line of each text in its file, or `None`.
            max_length: Int, words after which a sentence is cut, or `None`.
            max_context_length: Int, the same of a context, or a turn of one, or `None`.
            batch_size: Positive int, sentences at once.

        Returns:
            A `NeighbourIndex` of the posteriors' modes.

        Raises:
            ValueError: If the model has no latent or no tokenizer, there is no
                sentence, or one has no words.
        """
        kept, codes = [], []
        batches = encode(
            model,
            rows,
            max_length=max_length,
            max_context_length=max_context_length,
            batch_size=batch_size,
        )
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
        require("num", num, num >= 1, "positive")
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
        """Returns a row as a dict, with its `"line"` where that is known."""
        line = {} if self.lines is None else {"line": self.lines[place]}
        row = self.rows[place]
        return {**line, **({"text": row} if isinstance(row, str) else row)}

    def save(self, path):
        """Writes the index to an `.npz` file, completely or not at all.

        Args:
            path: Path of the file; it is replaced.
        """
        encoded = [_line(row).encode("utf-8") for row in self.rows]
        lines = {} if self.lines is None else {"lines": np.asarray(self.lines)}
        with replacing(path) as beside, open(beside, "wb") as file:
            np.savez_compressed(
                file,
                points=self.directions,
                # One block of bytes: NumPy pads strings to the longest.
                texts=np.frombuffer(b"".join(encoded), np.uint8),
                ends=np.cumsum([len(text) for text in encoded]),
                fingerprint=np.array(self.fingerprint),
                has_rows=np.array(not isinstance(self.rows[0], str)),
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
        fingerprint = str(arrays["fingerprint"])
        if model is not None and fingerprint != fingerprint_of(model):
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
        if arrays.get("has_rows", False):
            texts = [json.loads(text) for text in texts]
        return cls(texts, arrays["points"], fingerprint, arrays.get("lines"))


def digest(rows):
    """Computes a hash of a list of sentences, or rows with contexts, a str."""
    total = hashlib.sha256()
    for row in rows:
        total.update(_line(row).encode("utf-8") + b"\n")
    return total.hexdigest()


def _line(row):
    return row if isinstance(row, str) else json.dumps(row, sort_keys=True)


def fingerprint_of(model):
    """Computes a hash of the weights that codes are computed by, a str."""
    total = hashlib.sha256()
    parts = [model.encoder, model.posterior]
    for part in parts + [model.condition] * (model.condition is not None):
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
