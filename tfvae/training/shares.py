"""How replicas share batches."""

import tensorflow as tf


def training_shares(strategy, dataset):
    """Deals out the rows of each batch, equally many to each replica.

    Args:
        strategy: `tf.distribute.Strategy`.
        dataset: Endless `tf.data.Dataset` of dicts of tensors `[B, ...]`.

    Returns:
        A dataset for `fit` in which each replica finds its rows.
    """
    if strategy.num_replicas_in_sync == 1:
        return dataset

    def shares(context):
        first, last = _span(strategy, context)

        def rows(batch):
            parts = _parts(batch, strategy.num_replicas_in_sync)
            own = {key: values[first:last] for key, values in parts.items()}
            return tf.data.Dataset.from_tensor_slices(own)

        return _endless(dataset.flat_map(rows))

    return strategy.distribute_datasets_from_function(shares)


def validation_shares(strategy, dataset):
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

    def shares(context):
        first, last = _span(strategy, context)

        def is_own(index, batch):
            place = index % num_replicas
            return tf.logical_and(place >= first, place < last)

        own = dataset.concatenate(padding).enumerate().filter(is_own)
        # Endless, since Keras would take its length for the number of steps.
        return _endless(own.map(lambda index, batch: batch).repeat())

    return strategy.distribute_datasets_from_function(shares), num_steps


def _span(strategy, context):
    """Gives the places of this process's replicas among all."""
    num_local = strategy.num_replicas_in_sync // context.num_input_pipelines
    first = context.input_pipeline_id * num_local
    return first, first + num_local


def _parts(batch, num):
    """Splits the rows of a batch, `[B, ...]` to `[num, B // num, ...]`."""

    def parted(values):
        shape = tf.shape(values)
        rows = [num, shape[0] // num]
        return tf.reshape(values, tf.concat([rows, shape[1:]], 0))

    return {key: parted(values) for key, values in batch.items()}


def _endless(dataset):
    cardinality = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return dataset.apply(cardinality).prefetch(8)
