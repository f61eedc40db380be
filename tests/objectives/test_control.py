"""Weights that follow a cost, against their recursions and on toys of known outcome."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import make_vae
from tfvae.objectives import (
    GECO,
    KL,
    CopulaLikelihood,
    DualKL,
    MinimumRate,
    PIControl,
    Reconstruction,
)


def _weights(control, costs):
    """Returns the weight before each cost and after the last one."""
    found = [float(control.value)]
    for cost in costs:
        control.observe(tf.constant(cost, tf.float32))
        found.append(float(control.value))
    return found


def test_pi_follows_its_recursion():
    control = PIControl(4.0, proportional=0.1, integral=0.02, minimum=0.05)
    costs, total, wanted = [9.0, 7.0, 3.0, 5.0], 0.0, [0.05]
    for cost in costs:
        error = 4.0 - cost
        total = max(total - 0.02 * error, 0.0)
        wanted.append(0.05 + 0.1 / (1.0 + math.exp(error)) + total)
    np.testing.assert_allclose(_weights(control, costs), wanted, rtol=1e-5)


def test_pi_does_not_wind_up():
    control = PIControl(1.0, proportional=0.0, integral=0.5)
    # Ten thousand errors of -99 would take as many updates to come back from.
    _weights(control, [100.0] * 1000)
    assert float(control.value) == 1.0
    assert _weights(control, [0.0, 0.0])[-1] == pytest.approx(0.0, abs=1e-6)


def test_geco_multiplies_by_the_average_of_the_constraint():
    control = GECO(3.0, rate=0.1, momentum=0.8, initial=2.0)
    costs, average, weight, wanted = [8.0, 1.0, 2.0], None, 2.0, [2.0]
    for cost in costs:
        of_cost = cost - 3.0
        average = of_cost if average is None else 0.8 * average + 0.2 * of_cost
        weight *= math.exp(0.1 * average)
        wanted.append(weight)
    np.testing.assert_allclose(_weights(control, costs), wanted, rtol=1e-5)


def test_minimum_rate_is_one_above_the_rate_and_may_fall_below_zero():
    control = MinimumRate(2.0, rate=0.5)
    assert _weights(control, [5.0, 1.0, 0.0, 0.0, 9.0])[1:] == pytest.approx(
        [1.0, 0.5, -0.5, -1.5, 1.0]
    )


@pytest.mark.parametrize("kind", [PIControl, GECO])
@pytest.mark.parametrize("cost", [1.0, 10.0])
def test_a_cost_above_the_target_raises_the_weight(kind, cost):
    control = kind(5.0)
    if kind is PIControl:
        _weights(control, [10.0] * 50)
    before, after = _weights(control, [cost])
    assert (after > before) == (cost > 5.0)


# A divergence `a / weight` is what a weight would leave of it.
@pytest.mark.parametrize(
    "control",
    [
        PIControl(5.0, integral=1e-3),
        GECO(5.0, rate=0.01, momentum=0.9),
        MinimumRate(5.0, rate=0.01),
    ],
    ids=lambda each: type(each).__name__,
)
def test_ends_at_the_target(control):
    cost = 20.0
    for _ in range(3000):
        control.observe(tf.constant(cost, tf.float32))
        # Without pressure it would be 20, at the weight 1 it is 2.
        cost = 20.0 - 18.0 * float(control.value)
    assert cost == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize("kind", [PIControl, GECO, MinimumRate])
def test_a_model_sees_its_kl_and_validation_moves_nothing(kind, tokens):
    # A rate that two updates show.
    options = {"integral" if kind is PIControl else "rate": 0.05}
    model = make_vae(objective=[Reconstruction(), KL(kind(3.0, **options))])
    model.compile("adam", jit_compile=False)
    control = model.objective[1].weight
    twin = kind(3.0, **options)
    data = tf.data.Dataset.from_tensors({"tokens": tokens})
    for _ in range(2):
        logs = model.fit(data, verbose=0).history
        twin.observe(tf.constant(logs["kl"][0]))
        assert float(control.value) == pytest.approx(float(twin.value), rel=1e-5)
    held = [weight.numpy() for weight in control.weights]
    model.evaluate(data, verbose=0)
    np.testing.assert_array_equal(held, [weight.numpy() for weight in control.weights])


def test_goes_on_after_loading(tokens, tmp_path):
    def make():
        keras.utils.set_random_seed(3)
        model = make_vae(objective=[Reconstruction(), KL(PIControl(0.1, 0.3, 0.2))])
        model.compile("adam", jit_compile=False)
        return model

    data = tf.data.Dataset.from_tensors({"tokens": tokens})
    whole = make()
    whole.fit(data, epochs=4, verbose=0)
    first = make()
    first.fit(data, epochs=2, verbose=0)
    first.save(tmp_path / "half.keras")
    second = keras.models.load_model(tmp_path / "half.keras")
    assert float(second.objective[1].weight.value) > 0.0
    second.fit(data, epochs=2, verbose=0)
    for one, other in zip(whole.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PIControl(0.0), "`target` must be positive"),
        (lambda: PIControl(1.0, minimum=2.0), "`maximum` must be above"),
        (lambda: PIControl(1.0, integral=0.0), "`integral` must be positive"),
        (lambda: GECO(1.0, momentum=1.0), "`momentum` must be in"),
        (lambda: GECO(1.0, initial=1e9), "`initial` must be within"),
        (lambda: MinimumRate(1.0, rate=-1.0), "`rate` must be positive"),
        (lambda: KL(PIControl(1.0), free_bits=0.1), "Use one of the two"),
        (lambda: CopulaLikelihood(GECO(1.0)), "no single value"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_critics_estimate_can_be_the_cost():
    assert DualKL(PIControl(2.0)).is_controlled
