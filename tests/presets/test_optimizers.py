"""The settings' optimizer is Keras's Adam, and its rate decays as released."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.presets.settings import Adam, StepDecay

pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist")

SHAPES = [(5, 3), (3,), (2, 2)]


def trained(kind, compiled=False, **options):
    """Takes three steps along given gradients, one variable without any."""
    rng = np.random.default_rng(1)
    variables = [keras.Variable(rng.normal(size=s).astype("float32")) for s in SHAPES]
    optimizer = kind(0.1, epsilon=1e-8, **options)
    optimizer.build(variables)
    apply = tf.function(
        lambda *found: optimizer.apply([*found, None], variables),
        autograph=False,
        jit_compile=compiled,
    )
    for _ in range(3):
        apply(*(rng.normal(size=shape).astype("float32") for shape in SHAPES[:2]))
    return [np.array(v) for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 0.5},
        {"global_clipnorm": 100.0},
        {"clipnorm": 0.5},
        {"clipvalue": 0.2},
        {"amsgrad": True},
        {"beta_1": 0.5, "beta_2": 0.9, "weight_decay": 0.1},
    ],
    ids=str,
)
def test_adam_is_that_of_keras(options, compiled):
    expected = trained(keras.optimizers.Adam, **options)
    found = trained(Adam, compiled, **options)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=3e-6)


def test_adam_beside_double_precision():
    found = trained(Adam)[0]
    rng = np.random.default_rng(1)
    expected = [rng.normal(size=shape).astype("float32") for shape in SHAPES][0]
    m = v = 0.0
    for step in (1, 2, 3):
        gradient = [rng.normal(size=shape).astype("float32") for shape in SHAPES[:2]][0]
        gradient = gradient.astype("float64")
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1.0 - 0.9**step), v / (1.0 - 0.999**step)
        expected = expected - 0.1 * m_hat / (np.sqrt(v_hat) + 1e-8)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_adam_is_saved_by_its_arguments():
    optimizer = Adam(StepDecay(0.1, 5, 2), epsilon=1e-8, global_clipnorm=5.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is Adam and again.global_clipnorm == 5.0
    assert float(again._learning_rate(7)) == pytest.approx(0.05)
