import math

import keras
import pytest
import tensorflow as tf

from tfvae.objectives import (
    Constant,
    Cyclical,
    Linear,
    Peaking,
    Piecewise,
    Schedule,
    Sigmoid,
)
from tfvae.objectives.schedules import as_schedule

# Integers for weights too: users write `last=1`.
CASES = {
    "constant": (Constant(0.3), {0: 0.3, 10**6: 0.3}, 0.3),
    "constant_int": (Constant(2), {0: 2.0}, 2.0),
    "linear": (Linear(10), {0: 0.0, 3: 0.3, 10: 1.0, 99: 1.0}, 1.0),
    "linear_int": (
        Linear(4, first=3, last=1, start=6),
        {0: 3.0, 6: 3.0, 7: 2.5, 8: 2.0, 10: 1.0, 11: 1.0},
        1.0,
    ),
    "sigmoid": (
        Sigmoid(middle=100, width=10, last=2),
        {0: 2 / (1 + math.exp(10)), 100: 1.0, 110: 2 / (1 + math.exp(-1))},
        2.0,
    ),
    "cyclical": (
        Cyclical(40, num_cycles=2, ratio=0.5),
        {0: 0.0, 5: 0.5, 10: 1.0, 19: 1.0, 20: 0.0, 25: 0.5, 39: 1.0, 40: 1.0, 99: 1.0},
        1.0,
    ),
    "cyclical_int": (
        Cyclical(20, num_cycles=1, ratio=1.0, first=1, last=3, start=4),
        {0: 1.0, 4: 1.0, 14: 2.0, 23: 2.9, 24: 3.0, 99: 3.0},
        3.0,
    ),
    "peaking": (
        Peaking(),
        {
            0: (math.tanh(-4.5) + 1) / 2,
            2000: (math.tanh(-2.5) + 1) / 2,
            3000: (math.tanh(-1.5) + 1) / 2,
            9000: (math.tanh(-1.5) + 1) / 2,
        },
        (math.tanh(-1.5) + 1) / 2,
    ),
    "peaking_scaled": (
        Peaking(4, 2, 8, scale=10),
        {4: 5.0, 6: 5 * (math.tanh(1) + 1), 99: 5 * (math.tanh(2) + 1)},
        5 * (math.tanh(2) + 1),
    ),
    "piecewise": (
        Piecewise([2, 4, 8], [1, 2, 0]),
        {0: 1.0, 2: 1.0, 3: 1.5, 4: 2.0, 5: 1.5, 8: 0.0, 9: 0.0},
        0.0,
    ),
    "piecewise_of_one_point": (Piecewise([3], [0.5]), {0: 0.5, 9: 0.5}, 0.5),
}


@pytest.fixture(params=sorted(CASES))
def case(request):
    return CASES[request.param]


def test_values_by_hand(case):
    schedule, values, _ = case
    for step, expected in values.items():
        found = schedule(tf.constant(step, tf.int64))
        assert found.dtype == tf.float32
        assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_final_is_a_float_inside_a_graph(case):
    schedule, _, expected = case
    found = []

    @tf.function
    def trace():
        found.append(schedule.final)

    trace()
    assert type(found[0]) is float
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_graph_of_a_step_counter(case):
    schedule, values, _ = case
    compiled = tf.function(
        schedule, input_signature=[tf.TensorSpec([], tf.int64)], autograph=False
    )
    for step, expected in values.items():
        found = float(compiled(tf.constant(step, tf.int64)))
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_config_roundtrip(case):
    schedule, values, _ = case
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    for step, expected in values.items():
        assert float(again(step)) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (Linear(10, start=5), 30, 0.5),
        (Sigmoid(middle=100, width=10), 330, 1 / (1 + math.exp(-1))),
        (Cyclical(40, num_cycles=2), 15, 0.5),
        (Peaking(), 3 * 2000, (math.tanh(-2.5) + 1) / 2),
        (Piecewise([0, 10], [0.0, 1.0]), 15, 0.5),
        (Constant(0.7), 15, 0.7),
    ],
)
def test_stretched_three_times(schedule, step, expected):
    rescaled = schedule.rescaled(3)
    assert type(rescaled) is type(schedule)
    assert rescaled.final == pytest.approx(schedule.final)
    assert float(rescaled(step)) == pytest.approx(expected, rel=1e-5)


def test_as_schedule():
    schedule = Linear(3)
    assert as_schedule(schedule) is schedule
    assert as_schedule(2).final == 2.0
    with pytest.raises(ValueError, match="number, a `Schedule`.*'high'"):
        as_schedule("high")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0), "`length` must be positive.*length=0"),
        (lambda: Sigmoid(width=0), "`width` must be positive"),
        (lambda: Cyclical(-1), "`length` must be positive"),
        (lambda: Cyclical(10, num_cycles=0), "`num_cycles` must be positive"),
        (lambda: Cyclical(10, ratio=0.0), r"`ratio` must be in \(0, 1\].*0.0"),
        (lambda: Cyclical(10, ratio=1.5), r"`ratio` must be in \(0, 1\].*1.5"),
        (lambda: Peaking(width=0), "`width` must be positive"),
        (lambda: Piecewise([], []), "`steps` must increase"),
        (lambda: Piecewise([0, 1], [1.0]), "`steps` must increase"),
        (lambda: Piecewise([1, 1], [1.0, 2.0]), "`steps` must increase"),
        (lambda: Linear(3).rescaled(0), "`factor` must be positive"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_schedule_must_implement_its_methods():
    with pytest.raises(NotImplementedError, match="__call__"):
        Schedule()(0)
    with pytest.raises(NotImplementedError, match="final"):
        _ = Schedule().final
