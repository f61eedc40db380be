import pytest

from tests.support import ToyCritic
from tfvae.objectives import CriticTerm


def test_errors():
    with pytest.raises(ValueError, match="`num_critic_steps` must be positive.*=0"):
        ToyCritic(num_critic_steps=0)
    with pytest.raises(NotImplementedError, match="must implement `critic_cost`"):
        CriticTerm().critic_cost(None, 0)


def test_the_optimizer_is_built_on_the_critic_before_the_first_step():
    term = ToyCritic(critic_optimizer="adam")
    term.build({"code": 3})
    slots = [variable.shape for variable in term.critic_optimizer.variables]
    # The counter, the rate and two moments for each of kernel and bias.
    assert slots.count((3, 1)) == 2
    assert slots.count((1,)) == 2
