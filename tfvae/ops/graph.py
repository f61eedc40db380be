"""How the library turns functions into graphs."""

import functools

import tensorflow as tf

# Without AutoGraph, whose rewriting of the source takes longer than all the rest of a
# trace: control flow on tensors is written as such.
graph_function = functools.partial(tf.function, autograph=False, reduce_retracing=True)
