"""Without a strategy; `tests/training/test_distribute.py` runs several replicas."""

import keras
import numpy as np
import tensorflow as tf

from tfvae.ops.replicas import _bounded, apply_mean, logs, num_replicas, replica_id


def test_one_replica_without_a_strategy():
    assert num_replicas() == 1
    assert int(replica_id()) == 0


def test_the_mean_of_one_replica_is_its_gradient_within_the_bound():
    for options, expected in [({}, [-3.0, -4.0]), ({"clipnorm": 1.0}, [-0.6, -0.8])]:
        weight = keras.Variable(np.zeros(2, "float32"))
        optimizer = keras.optimizers.SGD(1.0, **options)
        optimizer.build([weight])
        apply_mean(optimizer, [tf.constant([3.0, 4.0])], [weight])
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6)


def test_logs_are_the_results_of_the_metrics():
    mean = keras.metrics.Mean("kl")
    mean.update_state([1.0, 3.0])
    found = logs([mean], {"weight": tf.constant(0.5)})
    assert {name: float(value) for name, value in found.items()} == {
        "kl": 2.0,
        "weight": 0.5,
    }


def test_bounds_are_those_of_keras():
    gradients = [np.array([3.0, 4.0], "float32"), np.array([[-12.0]], "float32")]
    expected = {
        "clipnorm": [[0.6, 0.8], [[-1.0]]],
        "global_clipnorm": [[3 / 13, 4 / 13], [[-12 / 13]]],
        "clipvalue": [[1.0, 1.0], [[-1.0]]],
    }
    for name, values in expected.items():
        optimizer = keras.optimizers.SGD(1.0, **{name: 1.0})
        tensors = [tf.constant(each) for each in gradients]
        for one, other in zip(_bounded(optimizer, tensors), values, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
