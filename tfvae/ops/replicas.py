"""Updates and logs where replicas share a step, under `tf.distribute`."""

import tensorflow as tf


def num_replicas():
    """Returns the number of replicas that share an update, 1 without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_id():
    """Returns the index of this replica among all, an int or an int scalar."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def mean(value):
    """Returns the mean of the replicas' values of a scalar tensor."""
    if num_replicas() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce("MEAN", value)


def apply_mean(optimizer, gradients, variables):
    """Applies the mean of the replicas' gradients.

    The optimizer's bounds, such as `global_clipnorm`, act on that mean. Keras would
    bound each replica's gradient and add them up; hence the mean is taken here, and
    each replica passes its share of it to the optimizer. With a bound gradients travel
    twice, without one once.

    Args:
        optimizer: Keras optimizer.
        gradients: List of dense tensors, or `None` where there is none, each the
            gradient of a mean over this replica's sentences; replicas have equally
            many.
        variables: List of Keras variables.
    """
    count = num_replicas()
    if count > 1:
        places = [i for i, each in enumerate(gradients) if each is not None]
        found = [gradients[place] for place in places]
        if _has_bound(optimizer):
            context = tf.distribute.get_replica_context()
            found = _bounded(optimizer, context.all_reduce("MEAN", found))
        gradients = list(gradients)
        for place, gradient in zip(places, found, strict=True):
            gradients[place] = gradient / count
    optimizer.apply(gradients, variables)


def logs(metrics, others):
    """Computes the results of metrics over all replicas.

    Args:
        metrics: List of Keras metrics whose variables are scalars that add up.
        others: Dict of scalars that are the same on all replicas.

    Returns:
        Dict of scalars; of `[1]` where replicas are on several machines, since Keras
        takes a mean over the first axis there.
    """
    context = tf.distribute.get_replica_context()
    if context is None or num_replicas() == 1:
        return {metric.name: metric.result() for metric in metrics} | others
    parts = [part.value for metric in metrics for part in metric.variables]
    sums = iter(tf.unstack(context.all_reduce("SUM", tf.stack(parts))))
    found = {
        metric.name: metric.stateless_result([next(sums) for _ in metric.variables])
        for metric in metrics
    } | others
    if num_replicas() > len(context.strategy.extended.worker_devices):
        return {name: tf.reshape(value, [1]) for name, value in found.items()}
    return found


def _has_bound(optimizer):
    bounds = (optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue)
    return any(bound is not None for bound in bounds)


def _bounded(optimizer, gradients):
    """Applies the optimizer's bound as Keras does; an optimizer has only one."""
    if optimizer.global_clipnorm is not None:
        return tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)[0]
    if optimizer.clipnorm is not None:
        return [tf.clip_by_norm(each, optimizer.clipnorm) for each in gradients]
    bound = optimizer.clipvalue
    return [tf.clip_by_value(each, -bound, bound) for each in gradients]
