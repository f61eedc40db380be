"""Training on several devices or machines that share each batch."""

import contextlib
import functools
import io
import json
import os
import tempfile
import zipfile
import zlib

import numpy as np
import tensorflow as tf

from tfvae.ops.runtime import graph_function, without_autotune
from tfvae.training.run_folder import RunFolder

STRATEGIES = ("none", "mirrored", "multi_worker")


class Workers:
    """The processes and devices of a run.

    Every process runs the same program. Each replica, a device of a process, takes
    its rows of every training batch and draws noise of its own; gradients and metrics
    are means over the whole batch. Validation batches are dealt out whole, one to each
    replica in turn. A term that compares the sentences of a batch, such as `MMD`,
    `MutualInformation` or free bits over the batch, sees a replica's own rows in
    training.

    Without a strategy there is one worker, and all methods pass through what they get.

    Args:
        strategy: `"none"`; `"mirrored"` for all GPUs of this machine (all logical CPUs
            where there is none); or `"multi_worker"` for the machines that the
            environment variable `TF_CONFIG` names.

    Raises:
        ValueError: If the strategy is unknown, or `TF_CONFIG` is not as it should be.
    """

    def __init__(self, strategy="none"):
        if strategy not in STRATEGIES:
            raise ValueError(
                f"`strategy` must be one of {', '.join(STRATEGIES)}. "
                f"Received: {strategy!r}"
            )
        self.index, self.num_workers = 0, 1
        if strategy == "none":
            self.strategy = tf.distribute.get_strategy()
        elif strategy == "mirrored":
            self.strategy = _mirrored_strategy()
        else:
            self.index, self.num_workers = _read_cluster(
                os.environ.get("TF_CONFIG", "")
            )
            self.strategy = _multi_worker_strategy()
        self.num_replicas = self.strategy.num_replicas_in_sync
        self._num_local = self.num_replicas // self.num_workers

    @property
    def is_chief(self):
        """Whether this process keeps the run folder."""
        return self.index == 0

    @contextlib.contextmanager
    def folder(self, path, resume):
        """Opens the run folder, a temporary one unless this process is the chief.

        With `resume` the chief sends the others its state, so that machines need no
        folder in common.

        Args:
            path: Path of the run folder.
            resume: Whether the run is to be continued.

        Yields:
            `RunFolder`.
        """
        with contextlib.ExitStack() as stack:
            if not self.is_chief:
                parent = stack.enter_context(tempfile.TemporaryDirectory())
                path = os.path.join(parent, os.path.basename(os.path.abspath(path)))
            folder = RunFolder(path)
            if resume and self.num_workers > 1:
                self._send_state(folder)
            yield folder

    def check_batch_size(self, batch_size):
        """Refuses a batch that replicas cannot share evenly.

        Raises:
            ValueError: If the size is no multiple of the number of replicas.
        """
        if batch_size % self.num_replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of the {self.num_replicas} replicas "
                f"that share each batch. Received: batch_size={batch_size}"
            )

    def check_model(self, model):
        """Refuses a model that replicas cannot train together.

        Raises:
            ValueError: If its training loop or refiner acts outside one graph.
        """
        for role in ("loop", "refiner"):
            part = getattr(model, role, None)
            if part is not None and self.num_replicas > 1:
                raise ValueError(
                    f"A model with the {role} `{type(part).__name__}` trains on one "
                    "device alone. Use strategy 'none', or a model without it. "
                    f"Received: {self.num_replicas} replicas"
                )

    def run_on_all(self, function, summary=lambda value: None):
        """Runs a function on every worker, and fails on all if it fails on one.

        Args:
            function: Function without arguments.
            summary: Function of its value that returns what must be the same on all
                workers; the `repr` of it is compared.

        Returns:
            The function's value on this worker.

        Raises:
            ValueError: If it fails, on this or another worker, or summaries differ.
            OSError: If it fails with that on this one.
        """
        value, error = None, None
        try:
            value = function()
        except (ValueError, OSError) as found:
            error = found
        if self.num_workers > 1:
            mine = np.zeros([self.num_workers, 2], "int32")
            if error is None:
                digest = zlib.crc32(repr(summary(value)).encode())
                mine[self.index] = digest & 0x7FFFFFFF, 0
            else:
                mine[self.index] = 0, 1
            every = self._sum(mine)
            failed = np.flatnonzero(every[:, 1])
            if error is None and len(failed):
                raise ValueError(
                    f"worker {failed[0]} could not start; see its message."
                )
            if error is None and len(set(every[:, 0])) > 1:
                raise ValueError(
                    "The workers have different texts or arguments. Give all of them "
                    "the same files and the same command."
                )
        if error is not None:
            raise error
        return value

    @contextlib.contextmanager
    def reporting_lost_workers(self):
        """Reports the loss of another worker in one line.

        Raises:
            ValueError: If another worker has ended or cannot be reached.
        """
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            raise ValueError(
                "Another worker has ended or cannot be reached. Start all of them "
                "again with --resume."
            ) from error

    def _send_state(self, folder):
        """Sends the others what the chief needs for resuming."""
        packed = io.BytesIO()
        paths = {
            name: getattr(folder, name)
            for name in ("configuration", "state", "last", "model", "history")
        }
        if self.is_chief:
            with zipfile.ZipFile(packed, "w") as archive:
                for name, path in paths.items():
                    if os.path.exists(path):
                        archive.write(path, name)
        received = self._broadcast(packed.getvalue())
        if self.is_chief:
            return
        with zipfile.ZipFile(io.BytesIO(received)) as archive:
            for name in archive.namelist():
                os.makedirs(folder.path, exist_ok=True)
                with open(paths[name], "wb") as file:
                    file.write(archive.read(name))

    def _broadcast(self, data):
        """Sends the chief's bytes to all workers and returns them."""
        own = np.frombuffer(data + bytes(-len(data) % 4), "int32")
        own, size = (own, len(data)) if self.is_chief else (own[:0], 0)
        num_words, size = self._sum(np.array([len(own), size], "int32"))
        padded = np.zeros(num_words, "int32")
        padded[: len(own)] = own
        return self._sum(padded).tobytes()[:size]

    def _sum(self, array):
        """Adds up an int32 array over the workers."""

        @graph_function
        def total(value):
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % self._num_local == 0
            return context.all_reduce("SUM", value * tf.cast(first, tf.int32))

        found = self.strategy.run(total, args=(tf.constant(array),))
        return self.strategy.experimental_local_results(found)[0].numpy()


# A process has one strategy: the collective operations of a second one of the same
# devices would be taken for those of the first.
@functools.cache
def _mirrored_strategy():
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


@functools.cache
def _multi_worker_strategy():
    return tf.distribute.MultiWorkerMirroredStrategy()


def _read_cluster(config):
    """Reads this worker's index and the number of workers from `TF_CONFIG`.

    Raises:
        ValueError: If it is not set or not as needed.
    """
    example = (
        '{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        read = json.loads(config)
        workers, task = read["cluster"]["worker"], read["task"]
        index = int(task["index"])
        right = task["type"] == "worker" and 0 <= index < len(workers)
        right = right and set(read["cluster"]) == {"worker"}
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise ValueError(
            "Strategy 'multi_worker' needs the environment variable TF_CONFIG, on each "
            f"machine with its own index, such as {example} "
            f"Received: TF_CONFIG={config!r}"
        )
    return index, len(workers)


def shard_training(strategy, dataset):
    """Splits each batch, equally many rows for each replica.

    Args:
        strategy: `tf.distribute.Strategy`.
        dataset: Endless `tf.data.Dataset` of dicts of tensors `[B, ...]`.

    Returns:
        A dataset for `fit` in which each replica finds its rows.
    """
    if strategy.num_replicas_in_sync == 1:
        return dataset

    def shard(context):
        first, last = _own_replicas(strategy, context)

        def own_rows(batch):
            num_replicas = strategy.num_replicas_in_sync
            own = {
                key: _split(values, num_replicas)[first:last]
                for key, values in batch.items()
            }
            return tf.data.Dataset.from_tensor_slices(own)

        return _endless(dataset.flat_map(own_rows))

    return strategy.distribute_datasets_from_function(shard)


def shard_validation(strategy, dataset):
    """Deals out whole batches, empty ones where the last round is not full.

    Args:
        strategy: `tf.distribute.Strategy`.
        dataset: `tf.data.Dataset` of known length, of dicts of tensors `[B, ...]`, or
            `None`.

    Returns:
        Tuple of a dataset for `fit` and the number of steps to take of it, `None` for
        all.
    """
    num_replicas = strategy.num_replicas_in_sync
    if dataset is None or num_replicas == 1:
        return dataset, None
    num_batches = int(dataset.cardinality())
    num_steps = -(-num_batches // num_replicas)
    empty = {
        key: tf.zeros([0] + [1] * (spec.shape.rank - 1), spec.dtype)
        for key, spec in dataset.element_spec.items()
    }
    missing = num_steps * num_replicas - num_batches
    padding = tf.data.Dataset.from_tensors(empty).repeat(missing)

    def shard(context):
        first, last = _own_replicas(strategy, context)

        def is_own(index, batch):
            place = index % num_replicas
            return tf.logical_and(place >= first, place < last)

        own = dataset.concatenate(padding).enumerate().filter(is_own)
        # Endless, since Keras would take its length for the number of steps.
        return _endless(own.map(lambda index, batch: batch).repeat())

    return strategy.distribute_datasets_from_function(shard), num_steps


def _own_replicas(strategy, context):
    """Returns the first and the end of this process's replicas among all."""
    num_local = strategy.num_replicas_in_sync // context.num_input_pipelines
    first = context.input_pipeline_id * num_local
    return first, first + num_local


def _split(values, num):
    """Splits rows `[B, ...]` evenly, into `[num, B // num, ...]`."""
    shape = tf.shape(values)
    rows = [num, shape[0] // num]
    return tf.reshape(values, tf.concat([rows, shape[1:]], 0))


def _endless(dataset):
    cardinality = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return without_autotune(dataset.apply(cardinality).prefetch(8))
