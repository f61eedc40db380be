import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, forward_record, make_vae
from tfvae.latents import Deterministic, Gaussian, Implicit, StandardNormal
from tfvae.latents import VonMisesFisher as OnSphere
from tfvae.objectives import Reconstruction, Wasserstein
from tfvae.seeds import as_seed, fold_in, normal

DISTANCE = 1.5


def record(size, seed, loc=0.0, context=None):
    """Codes around `loc` and a prior around the context, two dimensions."""
    seed = as_seed(seed) if isinstance(seed, int) else seed
    mean = tf.zeros([size, 2]) if context is None else context
    prior = Gaussian(2).distribution({"loc": mean, "log_variance": 0.0 * mean})
    z = normal([1, size, 2], fold_in(seed, 7)) + mean + [loc, 0.0]
    return forward_record(z=z, prior=prior, seed=seed, context=context)


def trained(term, size=512, steps=60, **options):
    @tf.function
    def learn(seed):
        term.update_critic(record(size, seed, DISTANCE, **options))

    for step in range(steps):
        learn(fold_in(as_seed(1), step))
    return term


def linear(penalty, **options):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 300)
    term = Wasserstein(
        penalty=penalty,
        hidden_dims=(),
        critic_optimizer=keras.optimizers.Adam(rate),
        **options,
    )
    term.build(latent_dim=2)
    return term


@pytest.mark.long
@pytest.mark.parametrize("penalty", [1.0, 10.0])
def test_a_linear_critic_finds_the_distance_of_two_gaussians(penalty):
    # max over w of w . d - penalty * (norm(w) - 1) ** 2.
    term = trained(linear(penalty))
    kernel = term.critic.hidden_layers[0].kernel.numpy()[:, 0]
    norm = 1.0 + DISTANCE / (2.0 * penalty)
    np.testing.assert_allclose(kernel, [norm, 0.0], atol=0.04 * norm)
    costs = term.cost(record(20_000, 2, DISTANCE)).numpy()
    error = 4 * costs.std() / 20_000**0.5
    assert abs(costs.mean() - DISTANCE * norm) < error + 0.04 * DISTANCE * norm


def network(**widths):
    rate = keras.optimizers.schedules.CosineDecay(0.02, 500)
    term = Wasserstein(hidden_dims=(32,), critic_optimizer=keras.optimizers.Adam(rate))
    term.build(latent_dim=2, **widths)
    return term


# Of a critic that is free to bend, between that of the penalty and the distance.
HIGHEST = DISTANCE * (1.0 + DISTANCE / 20.0)


@pytest.mark.long
def test_a_network_stays_near_the_distance():
    term = trained(network(), steps=100)
    found = term.cost(record(20_000, 2, DISTANCE)).numpy().mean()
    assert 0.9 * DISTANCE < found < 1.1 * HIGHEST


def test_the_penalty_is_of_each_row():
    size = 4
    forward = record(size, 0, DISTANCE)
    for penalty_of, shrink in (("row", 1.0), ("batch_mean", float(size))):
        term = linear(10.0, penalty_of=penalty_of)
        kernel = term.critic.hidden_layers[0].kernel
        kernel.assign([[3.0], [4.0]])
        fresh = tf.zeros_like(forward.z)
        norms = term._slopes(forward, fresh, 0).numpy()
        np.testing.assert_allclose(norms, np.full((1, size), 5.0 / shrink), rtol=1e-5)
        # The rest of what the critic minimises is the difference of the scores.
        kernel.assign([[0.0], [0.0]])
        assert float(term.critic_cost(forward, 0)) == pytest.approx(10.0, rel=1e-5)
    # With a unit gradient by row nothing is to pay; of the mean's there is.
    terms = [linear(10.0, penalty_of=each) for each in ("row", "batch_mean")]
    for term in terms:
        term.critic.hidden_layers[0].kernel.assign([[0.6], [0.8]])
    first, second = (float(term.critic_cost(forward, 0)) for term in terms)
    assert second - first == pytest.approx(10.0 * (1.0 / size - 1.0) ** 2, rel=1e-4)


def test_the_norm_of_a_curved_critic(rng):
    # f = |z| ** 2 / 2 has the gradient z.
    term = linear(10.0)
    term.critic = lambda z: 0.5 * tf.reduce_sum(z**2, -1, keepdims=True)
    forward = record(6, 0)
    norms = term._slopes(forward, forward.z, 0)
    np.testing.assert_allclose(norms, np.linalg.norm(forward.z, axis=-1), rtol=1e-5)


@pytest.mark.long
def test_the_critic_sees_the_context():
    # q = N(-c, I) and p = N(c, I): one distribution all together, given c they are
    # 2 * norm(c) apart, on average 2 * sqrt(pi / 2) for a standard normal c.
    def opposite(seed):
        forward = record(512, seed, context=normal([512, 2], fold_in(seed, 9)))
        return forward._replace(z=forward.z - 2.0 * forward.context)

    found = {}
    for context_dim in (2, None):
        term = network(code_context_dim=context_dim)
        learn = tf.function(lambda seed, term=term: term.update_critic(opposite(seed)))
        for step in range(100):
            learn(fold_in(as_seed(1), step))
        forward = opposite(as_seed(2))
        read = tf.identity(forward.context)
        with tf.GradientTape() as tape:
            tape.watch(read)
            cost = term.cost(forward._replace(context=read))
        # What the critic reads passes no gradient to the condition.
        assert tape.gradient(cost, read) is None
        found[context_dim] = cost.numpy().mean()
    assert 1.9 < found[2] < 3.2
    assert abs(found[None]) < 0.4


def test_the_posteriors_gradient_may_be_scaled():
    gradients, costs = [], []
    forward = record(5, 0, DISTANCE)
    for weight in (1.0, 0.01):
        term = linear(10.0, posterior_weight=weight)
        term.critic.hidden_layers[0].kernel.assign([[3.0], [4.0]])
        with tf.GradientTape() as tape:
            tape.watch(forward.z)
            cost = term.cost(forward)
        gradients.append(tape.gradient(cost, forward.z))
        costs.append(cost)
    np.testing.assert_allclose(gradients[1], 0.01 * gradients[0], rtol=1e-5)
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-5)


@pytest.mark.parametrize("posterior", [Implicit, Deterministic, Gaussian])
def test_a_model_trains(posterior, dataset, tmp_path):
    term = Wasserstein(hidden_dims=(6,), num_critic_steps=2)
    model = make_vae(
        posterior=posterior(2), prior=Gaussian(2), objective=[Reconstruction(), term]
    )
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    before = model.prior.get_weights()
    logs = model.fit(dataset, epochs=2, shuffle=False, verbose=0).history
    assert np.isfinite(logs["wasserstein"]).all()
    pairs = zip(before, model.prior.get_weights(), strict=True)
    assert any((one != other).any() for one, other in pairs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    model.train_step(next(iter(dataset)))
    loaded.train_step(next(iter(dataset)))
    assert_same_weights(model, loaded)


def test_the_critic_learns_alone(inputs):
    term = Wasserstein(hidden_dims=(6,))
    model = make_vae(
        posterior=Implicit(2), prior=Gaussian(2), objective=[Reconstruction(), term]
    )
    with tf.GradientTape(persistent=True) as tape:
        forward = model.forward(inputs)
        of_critic = term.critic_cost(forward.detached(), 0)
        of_model = tf.reduce_sum(term.cost(forward))
    values = [variable.value for variable in model.model_variables]
    assert all(gradient is None for gradient in tape.gradient(of_critic, values))
    reached = [w.value for part in (model.posterior, model.prior) for w in part.weights]
    gradients = tape.gradient(of_model, reached)
    assert sum(bool(np.any(each)) for each in gradients if each is not None) >= 5


def test_errors():
    with pytest.raises(ValueError, match="`penalty` must be positive"):
        Wasserstein(penalty=0.0)
    with pytest.raises(ValueError, match="`penalty_of` must be 'row'"):
        Wasserstein(penalty_of="mean")
    with pytest.raises(ValueError, match="off the sphere.*`MMD`"):
        make_vae(posterior=OnSphere(2), objective=[Wasserstein()])
    assert StandardNormal(2).support == "real"
