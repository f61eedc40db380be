"""How the library runs TensorFlow: graphs, devices and freed memory."""

import ctypes
import functools
import os

import tensorflow as tf


def has_accelerator():
    """Returns whether there is a GPU, without starting TensorFlow's runtime."""
    return bool(tf.config.list_physical_devices("GPU"))


def graph_function(function, **options):
    """Turns a function into one whose calls are graphs, few for many sizes.

    Without AutoGraph, whose rewriting of the source takes longer than all the rest of a
    trace: control flow on tensors is written as such.

    Args:
        function: Callable.
        **options: Of `tf.function`.
    """
    made = tf.function(function, autograph=False, reduce_retracing=True, **options)
    # Each model has graphs of its own, while TensorFlow counts the traces of a line of
    # code and would warn of those of the sixth model.
    made._omit_frequent_tracing_warning = True
    return made


def without_autotune(dataset):
    """Switches off the tuner of `tf.data` for a dataset, unless its user set it.

    The tuner's thread can hold the end of an iterator for up to a minute.

    Args:
        dataset: A `tf.data.Dataset`.

    Returns:
        A `tf.data.Dataset`, with `options().autotune.enabled` `False`, or what it was
        where it was set.
    """
    if dataset.options().autotune.enabled is not None:
        return dataset
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


# Of mallopt(3) in the GNU C library, with the values that are set.
_OPTIONS = {
    "M_MMAP_MAX": (-4, 0),
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),
    "M_TOP_PAD": (-2, 2**28),
}


@functools.cache
def keep_freed_memory():
    """Lets the C library keep freed memory for the next step, where it can.

    The GNU C library maps each large temporary afresh and gives it back when it is
    freed, so that the system clears thousands of pages in each step of training with a
    vocabulary of 10,000 words. With this the memory stays with the process, whose peak
    hardly changes, and a step has hardly a page fault. `Trainer.compile` calls it; set
    the environment variable `TFVAE_RELEASE_MEMORY=1` where others need the memory
    between steps.

    Returns:
        Bool, whether it was done: not with another C library, nor where the variable
        forbids it.
    """
    if os.environ.get("TFVAE_RELEASE_MEMORY", "0") not in ("", "0"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, value) for option, value in _OPTIONS.values())
