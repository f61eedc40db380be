import tensorflow as tf

from tests.support import forward_record
from tfvae.objectives import Reconstruction


def test_cost_is_the_mean_over_samples():
    forward = forward_record(
        log_likelihood=tf.constant([[-1.0, -2.0, 0.0], [-3.0, -6.0, -1.0]])
    )
    assert Reconstruction().cost(forward).numpy().tolist() == [2.0, 4.0, 0.5]
