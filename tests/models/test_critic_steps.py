"""The update loop of terms with critics."""

import keras
import numpy as np
import pytest

from tests.support import ToyCritic, make_vae
from tfvae.objectives import Reconstruction

RATE = 0.05


def trained(inputs, critic_rate=RATE, model_rate=0.1, weight=1.0, num_critic_steps=1):
    """Takes one step; gives the model, the code and critic before it and the logs."""
    optimizer = keras.optimizers.SGD(critic_rate)
    term = ToyCritic(weight, optimizer, num_critic_steps, name="toy")
    model = make_vae(objective=[Reconstruction(0.0), term])
    model.compile(keras.optimizers.SGD(model_rate), jit_compile=False, run_eagerly=True)
    code = model.encoder(inputs["tokens"]).numpy().astype("float64")
    before = {variable.path: variable.numpy() for variable in model.variables}
    logs = model.train_step(inputs)
    return model, code, before, logs


def moved(model, before):
    return {
        variable.path
        for variable in model.trainable_variables
        if (variable.numpy() != before[variable.path]).any()
    }


def paths(variables):
    return {variable.path for variable in variables}


@pytest.mark.parametrize("num_steps", [1, 3])
def test_the_critic_learns_first_and_the_objective_sees_it_updated(inputs, num_steps):
    model, code, before, logs = trained(inputs, num_critic_steps=num_steps)
    critic = model.objective[1].critic
    kernel, bias = (before[v.path].astype("float64") for v in critic.weights)
    for _ in range(num_steps):
        error = 2.0 * ((code @ kernel)[:, 0] + bias - 3.0) / len(code)
        kernel = kernel - RATE * code.T @ error[:, None]
        bias = bias - RATE * error.sum()
    np.testing.assert_allclose(critic.kernel, kernel, rtol=1e-4)
    np.testing.assert_allclose(critic.bias, bias, rtol=1e-4)
    expected = (code @ kernel + bias).mean()
    assert float(logs["toy"]) == pytest.approx(expected, rel=1e-4)
    assert int(model.step) == 1
    assert int(model.objective[1].critic_optimizer.iterations) == num_steps


def test_the_critic_does_not_move_the_model(inputs):
    model, _, before, _ = trained(inputs, weight=0.0)
    critic = model.objective[1].critic
    assert moved(model, before) == paths(critic.trainable_variables)


def test_the_model_does_not_move_the_critic(inputs):
    model, _, before, _ = trained(inputs, critic_rate=0.0)
    critic = paths(model.objective[1].critic.trainable_variables)
    assert not moved(model, before) & critic
    assert paths(model.encoder.trainable_variables) <= moved(model, before)
    assert paths(model.model_variables) == paths(model.trainable_variables) - critic


def test_the_critic_stands_still_in_tests(inputs):
    model, *_ = trained(inputs)
    before = {variable.path: variable.numpy() for variable in model.variables}
    model.test_step(inputs)
    assert moved(model, before) == set()


def test_the_critic_reads_a_detached_record(inputs):
    model, *_ = trained(inputs)
    term, seen = model.objective[1], []
    cost = term.critic_cost

    def spy(forward, index):
        seen.append((forward.posterior, index))
        return cost(forward, index)

    term.critic_cost = spy
    model.train_step(inputs)
    assert seen == [(None, 0)]
