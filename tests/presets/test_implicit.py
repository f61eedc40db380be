import dataclasses

import numpy as np
import pytest

from tests import support
from tfvae import presets
from tfvae.evaluation import evaluate
from tfvae.presets import SETTINGS, ModelBuilder


@pytest.fixture
def builder():
    setting = dataclasses.replace(
        SETTINGS["ivae"], embedding_dim=6, encoder_dim=8, decoder_dim=8, latent_dim=3
    )
    return ModelBuilder(setting, vocabulary_size=20, steps_per_epoch=10)


def test_the_released_form(builder):
    model = presets.ivae(builder)
    posterior, term = model.posterior, model.objective[1]
    assert posterior.of_noise.kernel.shape == (3, 3)
    assert not posterior.hidden_dims and term.joint
    # Uniform in +-0.1, as all weights there.
    assert 0.05 < abs(posterior.of_code.kernel.numpy()).max() <= 0.1
    assert float(term.critic_optimizer.learning_rate) == pytest.approx(1e-5)
    assert (term.num_critic_steps, term.hidden_dims) == (5, (512, 512, 512))
    # 0.1 at first, 1 after 9 epochs of 10 steps.
    assert [float(term.weight(step)) for step in (0, 90)] == pytest.approx([0.1, 1])
    assert not presets.ivae_mi(builder).objective[1].joint


def test_options_reach_the_parts(builder):
    for preset in (presets.ivae, presets.ivae_mi):
        model = preset(
            builder,
            beta=0.4,
            hidden_dims=(7,),
            noise_dim=2,
            critic_dims=(5,),
            critic_learning_rate=1e-3,
            num_critic_steps=2,
            both_critics=True,
        )
        posterior, (_, term, other) = model.posterior, model.objective
        assert posterior.of_noise.kernel.shape == (2, 7)
        assert (term.weight.final, other.weight.final) == (0.4, 0.0)
        assert term.joint is not other.joint
        for each in (term, other):
            assert float(each.critic_optimizer.learning_rate) == pytest.approx(1e-3)
            assert (each.num_critic_steps, each.hidden_dims) == (2, (5,))


def test_both_critics_learn_and_are_reported(builder):
    model = presets.ivae_mi(builder, critic_dims=(5,), both_critics=True)
    model.compile(builder.optimizer(), jit_compile=False, run_eagerly=True)
    critics = [term.critic for term in model.objective[1:]]
    before = [critic.get_weights() for critic in critics]
    data = support.dataset(support.batch())
    model.fit(data, verbose=0, shuffle=False)
    for critic, weights in zip(critics, before, strict=True):
        assert not np.array_equal(critic.get_weights()[0], weights[0])
    found = evaluate(model, data, num_samples=2, mi_samples=0, jit_compile=False)
    difference = found["critic_kl"] - found["critic_marginal_kl"]
    assert found["critic_mi"] == pytest.approx(difference, abs=1e-5)
    assert found["nll_method"] == "importance_weighted"


def test_a_critic_of_few_steps_learns_faster():
    def rate(**options):
        setting = dataclasses.replace(SETTINGS["ivae"], latent_dim=2)
        builder = ModelBuilder(
            setting, vocabulary_size=9, steps_per_epoch=10, **options
        )
        optimizer = presets.ivae(builder).objective[1].critic_optimizer
        return float(optimizer.learning_rate)

    # The released rate where schedules are as published.
    assert rate(total_steps=1000) == pytest.approx(1e-5)
    # 264,000 steps of the critic there, 5 * 26,400 here, half as many.
    scaled = rate(total_steps=26_400, scale_schedules=True)
    assert scaled == pytest.approx(1e-5 * 4, rel=1e-5)
    assert rate(total_steps=1000, scale_schedules=True) == pytest.approx(3e-4)
    assert rate(total_steps=10**6, scale_schedules=True) == pytest.approx(1e-5)
