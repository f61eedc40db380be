import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf

from tests.support import forward_record, make_vae
from tfvae.encoders import LabelEncoder
from tfvae.objectives import KL, Reconstruction, StyleAdversary
from tfvae.seeds import as_seed, fold_in, normal


def codes(size, distance, shares, seed):
    """Creates codes `N(label * distance, 1)` of labels that occur by their shares."""
    labels = np.random.default_rng(seed).choice(len(shares), size, p=shares)
    z = normal([1, size, 1], as_seed(seed)) + distance * labels[None, :, None]
    label = tf.constant(labels, tf.int32)
    return forward_record(z=tf.cast(z, tf.float32), inputs={"label": label})


def known_entropy(distance, shares):
    """Integrates `H(label | z)` in nats."""
    shares = np.asarray(shares)

    def integrand(z):
        joint = shares * scipy.stats.norm.pdf(z - distance * np.arange(len(shares)))
        return -np.sum(scipy.special.xlogy(joint, joint / joint.sum()))

    return scipy.integrate.quad(integrand, -12, 12 + 3 * distance, limit=200)[0]


@pytest.mark.parametrize(
    ("distance", "shares", "balanced"),
    [
        (1.5, (0.25, 0.35, 0.4), False),
        (1.5, (0.2, 0.8), False),
        # As if both occurred equally often.
        (1.5, (0.2, 0.8), True),
        (0.0, (0.25, 0.35, 0.4), False),
    ],
)
def test_the_classifier_finds_what_codes_tell(distance, shares, balanced):
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 300))
    term = StyleAdversary(
        balanced=balanced, hidden_dims=(16,), critic_optimizer=optimizer
    )
    term.build(latent_dim=1, num_labels=len(shares))
    learn = tf.function(term.update_critic, reduce_retracing=True)
    for step in range(300):
        learn(codes(1000, distance, shares, step))
    found = float(term.critic_cost(codes(100_000, distance, shares, 1000), 0))
    if balanced:
        shares = np.full(len(shares), 1 / len(shares))
    expected = known_entropy(distance, shares)
    if distance == 0.0:
        assert expected == pytest.approx(scipy.stats.entropy(shares), abs=1e-6)
    # Four standard errors of the mean over 100,000 codes are below 0.01.
    assert found == pytest.approx(expected, abs=0.02)


def test_costs_by_hand(rng):
    z = rng.normal(size=(2, 5, 3)).astype("float32")
    labels = np.array([0, 1, 1, 1, 0])
    forward = forward_record(
        z=tf.constant(z), inputs={"label": tf.constant(labels, tf.int32)}
    )
    log_probs = scipy.special.log_softmax(z[..., :2].astype("float64"), axis=-1)
    weights = np.where(labels == 0, 5 / (2 * 2), 5 / (2 * 3))

    def term(**options):
        made = StyleAdversary(**options)
        made.build(latent_dim=3, num_labels=2)
        made.critic = lambda z: z[..., :2]
        return made

    rows = np.arange(5)
    own = log_probs[:, rows, labels].mean(0)
    other = log_probs[:, rows, 1 - labels].mean(0)
    uniform = log_probs.mean((0, -1))
    for options, expected in (
        ({"balanced": False}, -uniform),
        ({}, -weights * uniform),
        ({"target": "flipped"}, -weights * other),
    ):
        np.testing.assert_allclose(term(**options).cost(forward), expected, rtol=1e-5)
    cost = term().critic_cost(forward, 0)
    np.testing.assert_allclose(cost, -(weights * own).mean(), rtol=1e-5)
    plain = term(balanced=False).critic_cost(forward, 0)
    np.testing.assert_allclose(plain, -own.mean(), rtol=1e-5)
    # A label that a batch lacks takes no weight from the others.
    alone = forward._replace(inputs={"label": tf.ones([5], tf.int32)})
    np.testing.assert_allclose(term().cost(alone), -uniform, rtol=1e-5)


@pytest.mark.long
def test_codes_forget_the_label():
    """Free codes that start a distance apart are moved until nothing tells them."""
    label = tf.constant([0] * 64 + [1] * 64, tf.int32)
    noise = normal([128, 1], as_seed(0))
    shift = tf.Variable([[0.0], [3.0]])
    optimizer = keras.optimizers.Adam(0.05)
    term = StyleAdversary(
        hidden_dims=(),
        critic_optimizer=keras.optimizers.Adam(0.05),
        num_critic_steps=5,
    )
    term.build(latent_dim=1, num_labels=2)

    def record():
        z = tf.gather(shift, label) + noise
        return forward_record(z=z[None], inputs={"label": label})

    assert float(term.critic_cost(record(), 0)) > 0
    for _ in range(150):
        term.update_critic(record().detached())
        with tf.GradientTape() as tape:
            cost = tf.reduce_mean(term.cost(record()))
        optimizer.apply_gradients([(tape.gradient(cost, shift), shift)])
    assert abs(float(shift[1, 0] - shift[0, 0])) < 0.7
    assert float(cost) == pytest.approx(np.log(2), abs=0.03)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`target` must be one of"):
        StyleAdversary(target="other")
    with pytest.raises(ValueError, match="needs labels"):
        make_vae(objective=[Reconstruction(), StyleAdversary()])
    with pytest.raises(ValueError, match="'flipped'` is for two labels.*3 labels"):
        make_vae(
            condition=LabelEncoder(3),
            context_to=("bridge",),
            objective=[Reconstruction(), KL(), StyleAdversary(target="flipped")],
        )


def test_in_a_model():
    model = make_vae(
        condition=LabelEncoder(3),
        context_to=("bridge",),
        objective=[Reconstruction(), KL(), StyleAdversary()],
    )
    inputs = {"tokens": np.array([[5, 6], [7, 0]], "int32"), "label": np.array([0, 2])}
    forward = model.forward(inputs)
    costs = model.objective[2].costs(forward)
    assert costs["style_adversary"].shape == [2]
    fresh = fold_in(as_seed(0), 1)
    assert model.forward(inputs, seed=fresh, training=True).z.shape == [1, 2, 2]
