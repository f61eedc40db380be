import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import (
    assert_same_weights,
    batch,
    forward_record,
    make_decoder,
    make_encoder,
    make_vae,
)
from tfvae.decoders import Bridge
from tfvae.latents import (
    Deterministic,
    Gaussian,
    GaussianCopula,
    Implicit,
    PlanarFlow,
    SphericalUniform,
    VonMisesFisher,
)
from tfvae.models import LanguageModel
from tfvae.objectives import KL, MMD, Coupling, Linear, Reconstruction

NOISE = {"input_dropout": 0.3, "output_dropout": 0.3, "word_dropout": 0.2}
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def coupled_vae(*coupling, **options):
    """Creates a small noisy VAE, with a `Coupling` where one is given."""
    parts = {
        "encoder": make_encoder(dropout=0.2),
        "posterior": Gaussian(2),
        "decoder": make_decoder(**NOISE),
        "bridge": Bridge((4, 3)),
        "objective": [Reconstruction(), KL(0.5), *coupling],
        "seed": 3,
    }
    return make_vae(**(parts | options))


def dense(layer, x):
    """Applies a layer's affine map by NumPy."""
    return x @ layer.kernel.numpy() + layer.bias.numpy()


def deterministic_memory(term, code):
    """Computes the deterministic path's memory by NumPy."""
    first, last = term.coupled_bridge.hidden_layers
    z = dense(term.coupled_posterior.heads["loc"], code)
    return dense(last, np.maximum(dense(first, z), 0.0))


@pytest.mark.parametrize("distance", ["rational_quadratic", "squared_euclidean"])
def test_matching_by_hand(inputs, distance):
    model = coupled_vae(Coupling(distance=distance), num_samples=2)
    forward = model.forward(inputs)
    term = model.objective[-1]
    memory = deterministic_memory(term, forward.code.numpy())
    squared = ((forward.memory.numpy() - memory) ** 2).sum(-1)
    expected = squared
    if distance == "rational_quadratic":
        # C = 2 * Z * scale with Z = 2.
        expected = -sum(4.0 * s / (4.0 * s + squared) for s in SCALES)
    found = term.costs(forward)["matching"]
    np.testing.assert_allclose(found, expected.mean(0), rtol=1e-5)


def test_reconstruction_is_that_of_an_autoencoder(inputs):
    model = coupled_vae(Coupling())
    term = model.objective[-1]
    other = coupled_vae(
        posterior=Deterministic(2),
        encoder=model.encoder,
        bridge=term.coupled_bridge,
        decoder=term.coupled_decoder,
        objective=[Reconstruction()],
    )
    other.posterior.head.set_weights(term.coupled_posterior.heads["loc"].get_weights())
    expected = -other.forward(inputs).log_likelihood[0]
    found = term.costs(model.forward(inputs))["coupled_reconstruction"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def reached(model, inputs, name):
    """Names the trainable weights that the gradient of one cost reaches."""
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        forward = model.forward(inputs, training=True)
        cost = tf.reduce_sum(model.objective[-1].costs(forward)[name])
    gradients = tape.gradient(cost, [variable.value for variable in variables])
    pairs = zip(variables, gradients, strict=True)
    return {
        id(v) for v, g in pairs if g is not None and np.any(tf.convert_to_tensor(g))
    }


def ids(*parts):
    return {id(weight) for part in parts for weight in part.trainable_variables}


def test_gradients_of_matching_leave_the_deterministic_path(inputs):
    model = coupled_vae(Coupling(share_embedding=False))
    term = model.objective[-1]
    found = reached(model, inputs, "matching")
    assert not found & ids(term)
    # Of the model all but its decoder, the head for the variance included.
    assert found == ids(model.encoder, model.posterior, model.bridge)


def test_gradients_of_the_deterministic_reconstruction(inputs):
    model = coupled_vae(Coupling(share_embedding=False))
    found = reached(model, inputs, "coupled_reconstruction")
    assert found == ids(model.encoder, model.objective[-1])


def test_weight_zero_changes_nothing(inputs):
    states = []
    for terms in ([], [Coupling(0.0, 0.0)]):
        keras.utils.set_random_seed(0)
        model = coupled_vae(*terms, share_embedding=True)
        assert len(model.objective) == 2 + len(terms)
        # A clip that acts would round another sum of squares in another way.
        optimizer = keras.optimizers.Adam(0.05, global_clipnorm=100.0)
        model.compile(optimizer, run_eagerly=True)
        for _ in range(2):
            model.train_step(inputs)
        parts = (model.encoder, model.posterior, model.bridge, model.decoder)
        states.append([weight for part in parts for weight in part.get_weights()])
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)


def test_initial_weights_of_the_model_stay():
    parts = []
    for terms in ([], [Coupling()]):
        keras.utils.set_random_seed(5)
        model = coupled_vae(*terms)
        parts.append([model.encoder, model.posterior, model.bridge, model.decoder])
    for one, other in zip(*parts, strict=True):
        assert_same_weights(one, other)
    term = model.objective[-1]
    own = term.coupled_decoder.recurrence.kernel.numpy()
    assert (own != model.decoder.recurrence.kernel.numpy()).all()


POSTERIORS = {
    "gaussian": lambda: Gaussian(2, batch_normalization=True),
    "implicit": lambda: Implicit(2, hidden_dims=(8,)),
}
MORE_POSTERIORS = {
    "full": lambda: Gaussian(2, covariance="full"),
    "fixed_norm": lambda: Gaussian(2, normalized_mean_scale=0.6),
    "copula": lambda: GaussianCopula(2),
    "planar": lambda: PlanarFlow(2, 2),
    "planar_of_code": lambda: PlanarFlow(2, 2, conditional=True),
    "sphere": lambda: VonMisesFisher(2),
    "sphere_fixed": lambda: VonMisesFisher(2, 5.0),
    "deterministic": lambda: Deterministic(2),
}


@pytest.mark.parametrize("name", [*POSTERIORS, *MORE_POSTERIORS])
def test_untrained_weights_are_those_that_the_point_does_not_read(name):
    posterior = (POSTERIORS | MORE_POSTERIORS)[name]()
    term = Coupling(posterior=posterior, share_embedding=False)
    model = make_vae(encoder=make_encoder(hidden_dim=3), bridge=Bridge((2,)))
    term.bind(model)
    code = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    before = posterior.mode(posterior(code)).numpy()
    for weight in posterior.weights:
        old = weight.numpy()
        weight.assign(old + 0.5)
        moves = (posterior.mode(posterior(code)).numpy() != before).any()
        weight.assign(old)
        is_statistic = "moving" in weight.path
        assert weight.trainable == (moves and not is_statistic), weight.path


@pytest.mark.parametrize(
    "name",
    [*POSTERIORS, *(pytest.param(n, marks=pytest.mark.slow) for n in MORE_POSTERIORS)],
)
def test_every_posterior_trains_and_continues(name, tmp_path):
    posterior = (POSTERIORS | MORE_POSTERIORS)[name]()
    prior = SphericalUniform(2) if posterior.support == "sphere" else None
    match = KL(0.5) if posterior.has_density else MMD()
    model = coupled_vae(
        posterior=posterior,
        prior=prior,
        objective=[Reconstruction(), match, Coupling(1.0, Linear(3))],
        share_embedding=True,
    )
    model.compile("adam", run_eagerly=True)
    inputs = {"tokens": batch([3, 1])}
    before = model.get_weights()
    model.train_step(inputs)
    model.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(99)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    logs = [each.train_step(inputs) for each in (model, loaded)]
    assert float(logs[1]["matching_weight"]) == pytest.approx(1 / 3)
    assert np.isfinite(logs[1]["loss"])
    assert_same_weights(model, loaded)
    slots = [each.optimizer.variables for each in (model, loaded)]
    for one, other in zip(*slots, strict=True):
        np.testing.assert_array_equal(one, other)
    term = loaded.objective[-1]
    assert term.coupled_decoder.embedding is loaded.encoder.embedding
    moved = [
        variable.path
        for variable, old in zip(model.weights, before, strict=True)
        if variable.trainable and (variable.numpy() == old).all()
    ]
    assert moved == []


def _layers(part):
    """Returns the layers that have weights, by whose names two parts are paired."""
    return [each for each in part._flatten_layers() if each._trainable_variables]


def test_the_path_has_masks_of_its_own(inputs):
    model = coupled_vae(Coupling(), posterior=Deterministic(2), objective=[Coupling()])
    term = model.objective[0]
    # The same weights, and no noise in the latent: only masks differ.
    for role in ("posterior", "bridge", "decoder"):
        own = getattr(term, f"coupled_{role}")
        values = {
            each.name: each.get_weights() for each in _layers(getattr(model, role))
        }
        for layer in _layers(own):
            layer.set_weights(values[layer.name])
    for training in (False, True):
        forward = model.forward(inputs, seed=1, training=training)
        costs = term.costs(forward)
        same = np.allclose(costs["coupled_reconstruction"], -forward.log_likelihood[0])
        assert same != training
        np.testing.assert_allclose(costs["matching"], -7.0, rtol=1e-6)


def test_a_context_goes_to_the_bridge(inputs, rng):
    model = make_vae()
    term = Coupling(distance="squared_euclidean", bridge=Bridge())
    conditional = types.SimpleNamespace(
        posterior=model.posterior,
        bridge=make_vae(bridge=Bridge((5,))).bridge,
        decoder=model.decoder,
        widths={**model.widths, "memory_dim": 5, "memory_context_dim": 3},
    )
    term.bind(conditional)
    context = tf.constant(rng.normal(size=[5, 3]), tf.float32)
    code, z = tf.ones([5, 4]), tf.zeros([1, 5, 2])
    own = np.asarray(dense(term.coupled_posterior.heads["loc"], code.numpy()))
    memory = tf.concat([z, context[None]], -1)
    forward = forward_record(inputs=inputs, code=code, context=context, memory=memory)
    found = term.costs(forward)["matching"]
    np.testing.assert_allclose(found, (own**2).sum(-1), rtol=1e-5)


def test_weights_follow_their_schedules(inputs):
    term = Coupling(Linear(10, last=4.0), 0.5)
    costs = {
        "coupled_reconstruction": tf.constant([1.0, 3.0]),
        "matching": tf.constant([4.0, 8.0]),
    }
    total, weights = term.weighted(costs, tf.constant(5, tf.int64))
    assert float(total) == pytest.approx(2.0 * 2.0 + 0.5 * 6.0)
    assert {k: float(v) for k, v in weights.items()} == {
        "coupled_reconstruction_weight": 2.0,
        "matching_weight": 0.5,
    }
    assert float(term.weighted(costs, None)[0]) == pytest.approx(4.0 * 2.0 + 3.0)


def test_given_parts_are_used_and_saved(inputs, tmp_path):
    coupling = Coupling(
        share_embedding=False,
        posterior=Deterministic(5),
        bridge=Bridge((3,)),
        decoder=make_decoder(embedding_dim=2, hidden_dim=6, conditioning=("state",)),
    )
    model = coupled_vae(coupling)
    assert coupling.coupled_posterior is coupling.posterior
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    term = loaded.objective[-1]
    assert (term.posterior.latent_dim, term.bridge.hidden_dims) == (5, (3,))
    assert (term.coupled_decoder.hidden_dim, term.decoder.embedding_dim) == (6, 2)
    assert_same_weights(model, loaded)
    costs = [m.objective[-1].costs(m.forward(inputs)) for m in (model, loaded)]
    tf.nest.map_structure(np.testing.assert_array_equal, *costs)


def test_refusals():
    with pytest.raises(ValueError, match="`distance` must be one of.*'cosine'"):
        Coupling(distance="cosine")
    with pytest.raises(
        ValueError, match="`Coupling` reads latent codes.*Use it in a `VAE`"
    ):
        LanguageModel(make_decoder(conditioning=()), objective=[Coupling()])
    decoder = make_decoder()
    with pytest.raises(ValueError, match="`decoder` must be a component of its own"):
        coupled_vae(Coupling(decoder=decoder), decoder=decoder)
    with pytest.raises(ValueError, match="`embedding_dim` of the.*2 and 3"):
        coupled_vae(Coupling(decoder=make_decoder(embedding_dim=2)))
    with pytest.raises(ValueError, match="memory as wide as the model's.*6 and 3"):
        coupled_vae(Coupling(bridge=Bridge((6,))))


def test_an_identity_bridge_leaves_nothing_to_match(inputs):
    for weight in (0.1, Linear(10)):
        with pytest.raises(ValueError, match="hands on the code itself. Give the mod"):
            make_vae(objective=[Coupling(matching_weight=weight)])
    # Without matching the path may well read codes.
    model = make_vae(objective=[Coupling(matching_weight=0)])
    np.testing.assert_array_equal(model.forward(inputs).memory, model.forward(inputs).z)
