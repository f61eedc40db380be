import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import assert_same_weights, forward_record, make_decoder, make_vae
from tfvae.latents import Gaussian
from tfvae.models import LanguageModel
from tfvae.objectives import KL, MutualInformation, Reconstruction
from tfvae.seeds import as_seed, fold_in, normal

WIDTHS = {"code_dim": 2, "latent_dim": 2}


def small(*args, **options):
    options = {"hidden_dims": (32,)} | options
    term = MutualInformation(*args, **options)
    term.build(**WIDTHS)
    return term


def correlated(size, seed, correlation=0.8):
    code, noise = normal([2, size, 2], as_seed(seed))
    z = correlation * code + (1.0 - correlation**2) ** 0.5 * noise
    return forward_record(code=code, z=z[None])


def test_the_information_of_correlated_gaussians():
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 500))
    term = small(momentum=0.9, critic_optimizer=optimizer, num_critic_steps=5)

    @tf.function
    def learn(seed):
        code, noise = tf.unstack(normal([2, 1024, 2], seed))
        term.update_critic(
            forward_record(code=code, z=(0.8 * code + 0.6 * noise)[None])
        )

    for step in range(100):
        learn(fold_in(as_seed(0), step))
    expected = -np.log(1.0 - 0.8**2)
    found = -term.cost(correlated(50000, 1)).numpy()
    np.testing.assert_allclose(found, np.full(50000, expected), rtol=0.05)
    none = -term.cost(correlated(50000, 2, correlation=0.0)).numpy()[0]
    assert none < 0.0


def test_pairs_of_the_prior_estimate_the_divergence_from_it():
    # Of N(0.8 c + 0.5, 0.6 ** 2) from N(0.8 c - 0.5, 1), on average over c: pairs of
    # the batch would find what the code says of c as well.
    loc, scale = 1.0, 0.6
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 500))
    term = small(product="prior", critic_optimizer=optimizer, num_critic_steps=5)

    def record(size, seed):
        code, noise = tf.unstack(normal([2, size, 2], fold_in(seed, 7)))
        prior = Gaussian(2).distribution(
            {"loc": 0.8 * code - 0.5, "log_variance": tf.zeros_like(code)}
        )
        z = (0.8 * code + 0.5 + scale * noise)[None]
        return forward_record(code=code, z=z, prior=prior, seed=seed)

    @tf.function
    def learn(seed):
        term.update_critic(record(1024, seed))

    for step in range(100):
        learn(fold_in(as_seed(0), step))
    found = -term.cost(record(50000, as_seed(1))).numpy()[0]
    expected = 2 * (0.5 * (scale**2 + loc**2 - 1.0) - np.log(scale))
    assert found == pytest.approx(expected, rel=0.05)


def test_the_prior_does_not_learn_from_its_pairs(inputs):
    term = MutualInformation(hidden_dims=(6,), product="prior")
    model = make_vae(objective=[Reconstruction(), KL(), term], prior=Gaussian(2))
    with tf.GradientTape(persistent=True) as tape:
        cost = tf.reduce_sum(term.cost(model.forward(inputs)))
    heads = [weight.value for weight in model.posterior.weights]
    assert all(np.any(gradient) for gradient in tape.gradient(cost, heads))
    weights = [weight.value for weight in model.prior.weights]
    assert weights and all(g is None for g in tape.gradient(cost, weights))


def linear(**options):
    """Creates a term whose critic is the product of code and the latent's sum."""
    term = small(**options)
    term.critic = lambda pairs: (
        pairs[..., :1] * tf.reduce_sum(pairs[..., 2:], -1, keepdims=True)
    )
    return term


def test_the_forms_by_hand(rng):
    code, z = rng.normal(size=(2, 4, 2)).astype("float32")
    forward = forward_record(code=tf.constant(code), z=tf.constant(z[None]))
    joint = (code[:, 0] * z.sum(-1)).mean()
    mean = np.exp(code[:, 0] * np.roll(z, -1, axis=0).sum(-1)).mean()
    expected = {
        "donsker_varadhan": joint - np.log(mean),
        "nwj": joint - np.log(mean),
        "paper": joint - mean**2 + np.log(mean) + 1.0,
    }
    for form, value in expected.items():
        found = linear(form=form).cost(forward).numpy()
        np.testing.assert_allclose(found, np.full(4, -value), rtol=1e-4)
    term = linear(form="nwj", momentum=0.9)
    term.critic_cost(forward, 0)
    average = 0.9 + 0.1 * mean
    assert float(term.log_average) == pytest.approx(np.log(average), rel=1e-4)
    value = joint - mean / average - np.log(average) + 1.0
    assert float(term.cost(forward)[0]) == pytest.approx(-value, rel=1e-4)
    # The moving average acts on the gradient of this form, not on its value.
    term = linear(momentum=0.9)
    term.critic_cost(forward, 0)
    with tf.GradientTape() as tape:
        tape.watch(forward.z)
        cost = term.cost(forward)[0]
    assert float(cost) == pytest.approx(np.log(mean) - joint, rel=1e-4)
    rolled = np.roll(np.arange(4), -1)
    scores = np.exp(code[:, 0] * z[rolled].sum(-1)) / average
    slope = np.zeros(4)
    slope[rolled] = scores * code[:, 0] / 4
    expected = np.repeat((slope - code[:, 0] / 4)[None, :, None], 2, axis=-1)
    np.testing.assert_allclose(tape.gradient(cost, forward.z), expected, rtol=1e-4)


@pytest.mark.parametrize("form", ["donsker_varadhan", "nwj", "paper"])
def test_large_scores_and_single_sentences_are_finite(rng, form):
    for size in (1, 4):
        code, z = rng.normal(size=(2, size, 2)) + 10.0
        forward = forward_record(
            code=tf.constant(code, tf.float32), z=tf.constant(z[None], tf.float32)
        )
        with tf.GradientTape() as tape:
            tape.watch(forward.z)
            cost = linear(form=form).cost(forward)
        assert np.isfinite(cost).all()
        assert np.isfinite(tape.gradient(cost, forward.z)).all()


def test_the_cap_bounds_the_bonus_and_stops_its_gradient():
    forward = correlated(64, 0)
    term = linear()
    bonus = -float(term.cost(forward)[0])
    capped = linear(cap=0.5 * abs(bonus))
    capped.critic = lambda pairs: tf.zeros_like(pairs[..., :1])
    assert float(capped.cost(forward)[0]) == 0.0
    capped = small(cap=1e-9)
    capped.critic = lambda pairs: 1e-3 * pairs[..., :1] * pairs[..., 2:3]
    with tf.GradientTape() as tape:
        tape.watch(forward.z)
        cost = capped.cost(forward)
    assert float(cost[0]) == pytest.approx(-1e-9)
    assert not np.any(tape.gradient(cost, forward.z))


def vae(**options):
    term = MutualInformation(2.0, hidden_dims=(6,), momentum=0.5, **options)
    return make_vae(objective=[Reconstruction(), KL(), term])


def test_a_model_trains(inputs, dataset, tmp_path):
    model = vae(num_critic_steps=2)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False, run_eagerly=True)
    logs = model.fit(dataset, epochs=3, shuffle=False, verbose=0).history
    assert np.isfinite(logs["mutual_information"]).all()
    term = model.objective[2]
    assert int(term.critic_optimizer.iterations) == 6
    assert float(term.log_average) != 0.0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    assert float(loaded.objective[2].log_average) == float(term.log_average)


def test_gradients_of_critic_and_model(inputs):
    model = vae()
    term = model.objective[2]
    with tf.GradientTape(persistent=True) as tape:
        forward = model.forward(inputs)
        of_critic = term.critic_cost(forward.detached(), 0)
        of_model = tf.reduce_sum(term.cost(forward))
    values = [variable.value for variable in model.model_variables]
    assert all(gradient is None for gradient in tape.gradient(of_critic, values))
    heads = [weight.value for weight in model.posterior.weights]
    assert all(np.any(gradient) for gradient in tape.gradient(of_model, heads))
    critic = [weight.value for weight in term.critic.weights]
    # The bias of a score cancels.
    assert all(np.any(g) for g in tape.gradient(of_critic, critic)[:-1])


def test_errors():
    with pytest.raises(ValueError, match="`form` must be one of.*'js'"):
        MutualInformation(form="js")
    with pytest.raises(ValueError, match="`product` must be one of.*'code'"):
        MutualInformation(product="code")
    with pytest.raises(ValueError, match="`momentum` must be in.*=1.0"):
        MutualInformation(momentum=1.0)
    with pytest.raises(ValueError, match="`cap` must be positive.*=0"):
        MutualInformation(cap=0)
    with pytest.raises(ValueError, match="`MutualInformation` reads latent codes.*VAE"):
        LanguageModel(make_decoder(conditioning=()), objective=[MutualInformation()])
