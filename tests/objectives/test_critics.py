import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, forward_record, make_decoder, make_vae
from tfvae.latents import Gaussian, Implicit, StandardNormal
from tfvae.models import LanguageModel
from tfvae.objectives import DualKL, Reconstruction
from tfvae.seeds import as_seed, fold_in, normal

# Codes of N(0.8 c, 0.6 ** 2) with c a standard normal: they are one all together.
SHIFT, SCALE = 0.8, 0.6


def record(size, seed, loc=0.0):
    seed = as_seed(seed) if isinstance(seed, int) else seed
    code, noise = tf.unstack(normal([2, size, 1], fold_in(seed, 7)))
    prior = StandardNormal(1).distribution({"loc": tf.zeros([size, 1])})
    z = (SHIFT * code + SCALE * noise + loc)[None]
    return forward_record(code=code, z=z, prior=prior, seed=seed)


def divergence(code):
    return 0.5 * (SCALE**2 + (SHIFT * code) ** 2 - 1.0) - np.log(SCALE)


def test_the_exact_critic_reaches_the_divergence():
    size = 50000
    term = DualKL()
    term.build(code_dim=1, latent_dim=1)

    def exact(pairs):
        code, z = pairs[..., :1], pairs[..., 1:]
        own = ((z - SHIFT * code) / SCALE) ** 2
        return 0.5 * (z**2 - own) - np.log(SCALE)

    term.critic = exact
    forward = record(size, 0)
    excess = term.cost(forward).numpy() - divergence(forward.code.numpy()[:, 0])
    assert abs(excess.mean()) < 4 * excess.std() / size**0.5
    assert float(term.critic_cost(forward, term.num_critic_steps)) == pytest.approx(
        -term.cost(forward).numpy().mean(), rel=1e-4
    )


@pytest.mark.long
@pytest.mark.parametrize("joint", [True, False])
def test_a_learned_critic_comes_close(joint):
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 500)
    term = DualKL(
        joint=joint, hidden_dims=(32, 32), critic_optimizer=keras.optimizers.Adam(rate)
    )
    term.build(code_dim=1, latent_dim=1)
    loc = 0.0 if joint else 1.0

    @tf.function
    def learn(seed):
        term.update_critic(record(1024, seed, loc))

    for step in range(100):
        learn(fold_in(as_seed(1), step))
    found = term.cost(record(50000, 2, loc)).numpy().mean()
    # The divergence of N(1, 1) from N(0, 1), or the mean one of the codes.
    expected = 0.5 * (SCALE**2 + SHIFT**2 - 1.0) - np.log(SCALE) if joint else 0.5
    assert found == pytest.approx(expected, rel=0.07)


def test_large_scores_are_finite():
    term = DualKL(hidden_dims=(4,))
    term.build(code_dim=1, latent_dim=1)
    forward = record(6, 0)
    for size in (200.0, -200.0):
        term.critic = lambda pairs, size=size: size + pairs[..., :1] * pairs[..., 1:]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(forward.z)
            costs = term.cost(forward), term.critic_cost(forward, 0)
        assert all(np.isfinite(cost).all() for cost in costs)
        assert np.isfinite(tape.gradient(costs, forward.z)).all()


def test_an_estimate_below_zero_costs_nothing():
    # With codes above the prior's a critic that rates lower what is higher is wrong.
    forward = record(64, 0, 5.0)
    for form in ("tangent", "donsker_varadhan"):
        for slope in (0.1, -0.1, float("nan")):
            costs, gradients = [], []
            for nonnegative in (True, False):
                term = DualKL(
                    joint=False, hidden_dims=(), form=form, nonnegative=nonnegative
                )
                term.build(code_dim=1, latent_dim=1)
                term.critic = lambda z, slope=slope: slope * z
                with tf.GradientTape() as tape:
                    tape.watch(forward.z)
                    cost = term.cost(forward)
                costs.append(cost.numpy())
                gradients.append(tape.gradient(cost, forward.z).numpy())
            # What is reported is the critic's value as it is.
            reported = term.reported(forward)["critic_marginal_kl"]
            np.testing.assert_array_equal(reported, costs[1])
            if slope < 0.0:
                assert not np.any(costs[0]) and not np.any(gradients[0])
                assert costs[1].mean() < 0.0
                np.testing.assert_allclose(gradients[1], slope, rtol=1e-6)
            else:
                np.testing.assert_array_equal(costs[0], costs[1])
                np.testing.assert_array_equal(gradients[0], gradients[1])


def vae(joint=True, nonnegative=True, **parts):
    rate = keras.optimizers.Adam(1e-2)
    term = DualKL(
        joint=joint, hidden_dims=(6,), critic_optimizer=rate, nonnegative=nonnegative
    )
    parts = {"posterior": Implicit(2), "num_samples": 2} | parts
    return make_vae(objective=[Reconstruction(), term], **parts)


@pytest.mark.parametrize("joint", [True, False])
def test_a_model_trains(dataset, tmp_path, joint):
    model = vae(joint)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    logs = model.fit(dataset, epochs=3, shuffle=False, verbose=0).history
    assert np.isfinite(logs["dual_kl" if joint else "dual_marginal_kl"]).all()
    assert int(model.objective[1].critic_optimizer.iterations) == 15
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    assert loaded.objective[1].joint == joint
    model.train_step(next(iter(dataset)))
    loaded.train_step(next(iter(dataset)))
    assert_same_weights(model, loaded)


def test_gradients_of_critic_and_model(inputs):
    model = vae(prior=Gaussian(2), nonnegative=False)
    term = model.objective[1]
    with tf.GradientTape(persistent=True) as tape:
        forward = model.forward(inputs)
        of_critic = term.critic_cost(forward.detached(), 0)
        of_model = tf.reduce_sum(term.cost(forward))
    values = [variable.value for variable in model.model_variables]
    assert all(gradient is None for gradient in tape.gradient(of_critic, values))
    reached = [
        weight.value
        for part in (model.posterior, model.prior)
        for weight in part.weights
    ]
    assert all(np.any(gradient) for gradient in tape.gradient(of_model, reached))
    critic = [weight.value for weight in term.critic.weights]
    assert all(np.any(gradient) for gradient in tape.gradient(of_critic, critic))


def test_prior_draws_differ_by_critic_step():
    term = DualKL(hidden_dims=(4,))
    term.build(code_dim=1, latent_dim=1)
    forward = record(5, 0)
    values = {float(term.critic_cost(forward, index)) for index in range(3)}
    assert len(values) == 3


def test_both_divergences_in_one_objective(inputs):
    terms = [Reconstruction(), DualKL(hidden_dims=(3,)), DualKL(1.0, False, (3,))]
    model = make_vae(posterior=Implicit(2), objective=terms)
    _, costs, _ = model.loss_and_costs(model.forward(inputs), None)
    assert set(costs) == {"reconstruction", "dual_kl", "dual_marginal_kl"}


def test_errors():
    with pytest.raises(ValueError, match="`num_critic_steps` must be positive"):
        DualKL(num_critic_steps=0)
    with pytest.raises(ValueError, match="`DualKL` reads latent codes.*VAE"):
        LanguageModel(make_decoder(conditioning=()), objective=[DualKL()])


@pytest.mark.long
def test_a_critic_that_sees_the_context_finds_what_a_pooled_one_cannot():
    # p = N(c, 1) and q = N(c + shift, 1): the divergence given c is shift ** 2 / 2,
    # that of all contexts together, of standard deviation 2, a fifth of it.
    shift, spread = 1.2, 2.0

    def record_of(size, seed):
        context, noise = tf.unstack(normal([2, size, 1], fold_in(seed, 7)))
        context = spread * context
        prior = Gaussian(1).distribution({"loc": context, "log_variance": 0 * context})
        z = (context + shift + noise)[None]
        return forward_record(z=z, prior=prior, seed=seed, context=context)

    found = {}
    for context_dim in (1, None):
        rate = keras.optimizers.schedules.CosineDecay(1e-2, 750)
        term = DualKL(1.0, False, (32, 32), keras.optimizers.Adam(rate))
        term.build(code_dim=1, latent_dim=1, code_context_dim=context_dim)

        @tf.function
        def learn(seed, term=term):
            term.update_critic(record_of(1024, seed))

        for step in range(150):
            learn(fold_in(as_seed(1), step))
        costs = term.cost(record_of(50_000, as_seed(2)))
        found[context_dim] = costs.numpy().mean()
    exact = 0.5 * shift**2
    assert found[1] == pytest.approx(exact, rel=0.1)
    assert found[None] == pytest.approx(exact / (1.0 + spread**2), rel=0.2)


def test_the_form_of_donsker_and_varadhan(rng):
    scores = rng.normal(size=(2, 1, 6, 1)).astype("float32")
    forward = record(6, 0)
    tangent = DualKL(nonnegative=False)
    other = DualKL(form="donsker_varadhan", nonnegative=False)
    for term in (tangent, other):
        term.build(code_dim=1, latent_dim=1)
        own_then_fresh = iter(scores)
        term.critic = lambda pairs, values=own_then_fresh: tf.constant(next(values))
    own, fresh = scores[..., 0]
    exact = own.mean() - np.log(np.exp(fresh.astype("float64")).mean())
    value = other.cost(forward).numpy().mean()
    assert value == pytest.approx(exact, rel=1e-5)
    other.critic = lambda pairs: tf.constant(next(again))
    again = iter(scores)
    assert float(other.critic_cost(forward, 0)) == pytest.approx(-exact, rel=1e-5)
    # The tangent of the logarithm lies above it.
    assert tangent.cost(forward).numpy().mean() < value
    with pytest.raises(ValueError, match="`form` must be one of"):
        DualKL(form="paper")


def test_the_critics_slope_may_be_penalised():
    forward = record(6, 0)
    costs = []
    for penalty in (0.0, 0.3):
        term = DualKL(joint=False, hidden_dims=(), slope_penalty=penalty)
        term.build(code_dim=1, latent_dim=1)
        term.critic.hidden_layers[0].kernel.assign([[-1.5]])
        term.critic.hidden_layers[0].bias.assign([0.2])
        costs.append(float(term.critic_cost(forward, 2)))
    assert costs[1] - costs[0] == pytest.approx(0.3 * 1.5**2, rel=1e-4)
    with pytest.raises(ValueError, match="`slope_penalty` must not be negative"):
        DualKL(slope_penalty=-1.0)
