"""Graphs for any size without AutoGraph, devices, freed memory, options of data."""

import os
import platform
import subprocess
import sys

import pytest
import tensorflow as tf

from tfvae.ops import runtime
from tfvae.ops.runtime import (
    graph_function,
    has_accelerator,
    keep_freed_memory,
    without_autotune,
)


def test_few_traces_for_many_sizes():
    traces = []

    @graph_function
    def total(values):
        traces.append(values.shape)
        return tf.reduce_sum(values)

    for size in range(1, 9):
        assert total(tf.ones([size])) == size
    assert len(traces) == 2 and traces[-1].as_list() == [None]


def test_graphs_of_many_models_are_no_warning(caplog):
    def make(scale):
        return graph_function(lambda values: scale * values)

    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        found = [float(make(scale)(tf.constant(1.0))) for scale in range(12)]
    finally:
        logger.removeHandler(caplog.handler)
    assert found == list(range(12))
    assert "retracing" not in caplog.text


def test_python_does_not_branch_on_tensors():
    @graph_function
    def sign(value):
        return 1 if value > 0 else -1

    with pytest.raises(TypeError, match="symbolic"):
        sign(tf.constant(1.0))


def test_a_gpu_is_an_accelerator(monkeypatch):
    for devices in ([], ["gpu"]):
        listed = {"GPU": devices, "CPU": ["cpu"]}
        monkeypatch.setattr(runtime.tf.config, "list_physical_devices", listed.get)
        assert has_accelerator() == bool(devices)


# Allocates and frees 64 MB again and again, and counts the pages that this takes.
CODE = """
import resource
from tfvae.ops.runtime import keep_freed_memory
done = keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(2 ** 26)
before = faults()
for _ in range(5):
    bytearray(2 ** 26)
print(done, faults() - before)
"""


def outcome(**environment):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.long
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only the GNU C library has mallopt"
)
def test_freed_memory_is_used_again_without_a_page_fault():
    kept, faults = outcome()
    assert kept
    released, many = outcome(TFVAE_RELEASE_MEMORY="1")
    assert not released
    # 5 times 64 MB are 81,920 pages of 4 kB, of 2 MB where huge pages are on.
    assert faults < 10 < many


def test_it_is_done_once():
    assert keep_freed_memory() is keep_freed_memory()


@pytest.mark.parametrize("enabled", [None, False, True])
def test_without_autotune_keeps_the_users_options(enabled):
    options = tf.data.Options()
    if enabled is not None:
        options.autotune.enabled = enabled
    options.autotune.cpu_budget = 1
    options.deterministic = True
    dataset = without_autotune(tf.data.Dataset.range(3).with_options(options))
    assert dataset.options().autotune.enabled is bool(enabled)
    assert dataset.options().autotune.cpu_budget == 1
    assert dataset.options().deterministic
    assert list(dataset.as_numpy_iterator()) == [0, 1, 2]
