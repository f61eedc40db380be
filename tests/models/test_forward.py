import numpy as np
import tensorflow as tf

from tests.support import forward_record, make_vae
from tfvae.objectives import Reconstruction


def test_detached_stops_every_gradient_and_keeps_the_prior(inputs):
    model = make_vae(objective=[Reconstruction()])
    with tf.GradientTape() as tape:
        attached = model.forward(inputs)
        forward = attached.detached()
        total = tf.add_n(
            [
                tf.reduce_sum(value)
                for name in ("code", "z", "log_q", "memory", "log_likelihood", "params")
                for value in tf.nest.flatten(getattr(forward, name))
            ]
        )
    weights = [variable.value for variable in model.trainable_variables]
    assert tape.gradient(total, weights) == [None] * len(weights)
    assert forward.posterior is None
    assert forward.prior is attached.prior
    assert (np.asarray(forward.inputs["tokens"]) == inputs["tokens"]).all()


def test_detached_keeps_values_and_absent_fields():
    found = forward_record(z=tf.constant([1.0]), training=True).detached()
    assert found.z.numpy().tolist() == [1.0]
    assert found.code is None
    assert found.training is True
