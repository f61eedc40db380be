"""Graphs are traced for any size, and without AutoGraph."""

import pytest
import tensorflow as tf

from tfvae.ops import runtime
from tfvae.ops.runtime import graph_function, has_accelerator


def test_few_traces_for_many_sizes():
    traces = []

    @graph_function
    def total(values):
        traces.append(values.shape)
        return tf.reduce_sum(values)

    for size in range(1, 9):
        assert total(tf.ones([size])) == size
    assert len(traces) == 2 and traces[-1].as_list() == [None]


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
