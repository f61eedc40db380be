"""How the library turns functions into graphs."""

import functools

import tensorflow as tf


def has_accelerator():
    """Returns whether there is a GPU, without starting TensorFlow's runtime."""
    return bool(tf.config.list_physical_devices("GPU"))


# Without AutoGraph, whose rewriting of the source takes longer than all the rest of a
# trace: control flow on tensors is written as such.
graph_function = functools.partial(tf.function, autograph=False, reduce_retracing=True)
