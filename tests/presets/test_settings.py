import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.presets import SETTINGS, ModelBuilder, get_preset
from tfvae.presets.settings import Adam, StepDecay

# Cell, both directions, embedding, encoder, decoder, latent, batch: the papers'.
_PUBLISHED = {
    "copula": ("lstm", False, 512, 512, 512, 32, 32),
    "coupled": ("gru", True, 200, 128, 256, 32, 32),
    "mine": ("lstm", False, 128, 512, 512, 64, 32),
    "wae": ("lstm", True, 300, 100, 200, 100, 128),
    "style": ("lstm", False, 128, 128, 128, 128, 64),
    "ivae": ("lstm", False, 256, 256, 256, 32, 32),
    "wae_dialogue": ("layer_norm_lstm", True, 300, 500, 1000, 300, 128),
    "dialogue": ("gru", True, 200, 300, 500, 200, 32),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_sizes_are_the_papers(name):
    s = SETTINGS[name]
    sizes = (s.embedding_dim, s.encoder_dim, s.decoder_dim, s.latent_dim)
    assert (s.cell, s.bidirectional, *sizes, s.batch_size) == _PUBLISHED[name]


def _weights_at(name, steps, **kwargs):
    schedule = ModelBuilder(name, vocabulary_size=10, **kwargs).annealing()
    return [round(float(schedule(step)), 4) for step in steps]


def test_annealing_of_coupled_counts_steps():
    # (t - 2000) / 40000
    weights = _weights_at("coupled", [0, 2000, 22000, 42000, 60000])
    assert weights == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_annealing_of_ivae_counts_epochs():
    # 0.1 and then 1/10 an epoch, of 100 steps here
    weights = _weights_at("ivae", [0, 100, 450, 900, 1000], steps_per_epoch=100)
    assert weights == [0.1, 0.2, 0.55, 1.0, 1.0]


def test_annealing_of_wae_is_frozen_on_its_way():
    # 11 * (tanh(-1.5) + 1) / 2
    assert _weights_at("wae", [3000, 80000]) == [0.5217, 0.5217]


def test_annealing_of_dialogue():
    # 13 * (tanh(-2.2) + 1) / 2, frozen at step 2300 of 594 an epoch.
    weights = _weights_at("wae_dialogue", [2300, 80000], steps_per_epoch=594)
    assert weights == [0.1577, 0.1577]
    assert _weights_at("dialogue", [0, 9000], steps_per_epoch=594) == [1.0, 1.0]


def test_annealing_of_copula():
    weights = _weights_at("copula", [400, 1400, 2400], steps_per_epoch=100)
    assert weights == [0.0, 0.5, 1.0]


def test_schedules_scale_with_training():
    # A tenth of 60000 steps: everything ten times as fast.
    weights = _weights_at(
        "coupled", [200, 2200, 4200], total_steps=6000, scale_schedules=True
    )
    assert weights == [0.0, 0.5, 1.0]


def test_beta_keeps_the_slope():
    schedule = ModelBuilder("coupled", vocabulary_size=10).annealing(1.2)
    # 1.2 is reached at 2000 + 1.2 * 40000.
    assert float(schedule(42000)) == pytest.approx(1.0)
    assert float(schedule(50000)) == pytest.approx(1.2)
    assert schedule.final == 1.2


def test_halving_learning_rate():
    rate = ModelBuilder("coupled", vocabulary_size=10).optimizer()._learning_rate
    expected = {31999: 1e-3, 32000: 5e-4, 33999: 5e-4, 34000: 2.5e-4, 60000: 2.0**-15}
    expected[60000] *= 1e-3
    for step, value in expected.items():
        assert float(rate(step)) == pytest.approx(value, rel=1e-5)


def test_optimizers():
    adam = ModelBuilder("coupled", vocabulary_size=10).optimizer()
    assert (type(adam).__name__, adam.global_clipnorm, adam.epsilon) == (
        "Adam",
        30.0,
        1e-8,
    )
    sgd = ModelBuilder("mine", vocabulary_size=10).optimizer()
    assert (type(sgd).__name__, float(sgd.learning_rate)) == ("SGD", 1.0)
    assert ModelBuilder("wae", vocabulary_size=10).optimizer().clipvalue == 0.43


@pytest.mark.parametrize("name", SETTINGS)
def test_initial_weights(name):
    builder = ModelBuilder(name, vocabulary_size=50, steps_per_epoch=10)
    model = get_preset("vae")(builder)
    setting = SETTINGS[name]
    embedding = model.encoder.embedding.embeddings.numpy()
    limit = setting.weight_range or setting.decoder_dim**-0.5
    kernel = abs(model.decoder.recurrence.recurrent_kernel.numpy())
    assert 0.98 * limit < kernel.max() <= limit
    if setting.embedding_range is None:
        assert abs(embedding.std() - 1.0) < 0.03
    else:
        assert abs(embedding).max() <= setting.embedding_range


def test_shared_embedding_is_one_table():
    model = get_preset("vae")(ModelBuilder("coupled", vocabulary_size=50))
    assert model.decoder.embedding is model.encoder.embedding


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
