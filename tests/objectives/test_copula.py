import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import (
    assert_same_weights,
    dataset,
    forward_record,
    make_decoder,
    make_vae,
)
from tfvae.evaluation.evaluate import evaluate
from tfvae.latents import Deterministic, Gaussian, GaussianCopula, Implicit
from tfvae.models import LanguageModel
from tfvae.objectives import KL, CopulaLikelihood, Reconstruction
from tfvae.seeds import as_seed

CODE_DIM, LATENT_DIM, ROWS = 4, 3, 5


def built(**options):
    term = CopulaLikelihood(**options)
    term.build(code_dim=CODE_DIM, latent_dim=LATENT_DIM)
    return term


def record(rng, num_samples=1, training=False):
    code = rng.normal(size=(ROWS, CODE_DIM)).astype("float32")
    params = {
        "loc": tf.constant(rng.normal(size=(ROWS, LATENT_DIM)), tf.float32),
        "log_variance": tf.constant(rng.normal(size=(ROWS, LATENT_DIM)), tf.float32),
    }
    posterior = Gaussian(LATENT_DIM)
    z, log_q = posterior.sample(params, num_samples, as_seed(5))
    return forward_record(
        code=tf.constant(code),
        posterior=posterior.distribution(params),
        params=params,
        z=z,
        log_q=log_q,
        seed=as_seed(6),
        training=training,
    )


def covariances(term, code):
    """Computes the head's covariances by NumPy from its weights."""
    heads = {name: head.get_weights() for name, head in term.head.heads.items()}
    raw = {name: code @ kernel + bias for name, (kernel, bias) in heads.items()}
    diagonal = np.logaddexp(0.0, raw["diagonal"])
    if term.activation == "relu":
        diagonal = np.maximum(raw["diagonal"], 0.0)
    diagonal = np.broadcast_to(diagonal + term.floor, (ROWS, LATENT_DIM))
    factor = np.tanh(raw["factor"])
    return np.stack([np.diag(row) for row in diagonal]) + (
        factor[:, :, None] * factor[:, None, :]
    )


def expected_log_copula(matrix):
    scale = np.sqrt(np.diag(matrix))
    return -0.5 * np.linalg.slogdet(matrix / np.outer(scale, scale))[1]


@pytest.mark.parametrize(
    "options",
    [{}, {"activation": "relu"}, {"per_dimension": True, "floor": 0.1}],
    ids=["default", "relu", "by_dimension"],
)
def test_costs_are_expectations(rng, options):
    term, forward = built(**options), record(rng)
    costs = term.costs(forward)
    assert list(costs) == ["copula_likelihood_copula", "copula_likelihood_marginals"]
    matrices = covariances(term, forward.code.numpy())
    of_copula = [expected_log_copula(matrix) for matrix in matrices]
    np.testing.assert_allclose(term.log_copula(forward), of_copula, rtol=1e-3)
    found = costs["copula_likelihood_copula"]
    np.testing.assert_array_equal(found, -term.log_copula(forward))
    scale = np.exp(forward.params["log_variance"].numpy() / 2)
    entropy = stats.norm(scale=scale).entropy().sum(-1)
    found = costs["copula_likelihood_marginals"]
    np.testing.assert_allclose(found, entropy, rtol=1e-4)
    expected = entropy - np.array(of_copula)
    np.testing.assert_allclose(term.cost(forward), expected, rtol=1e-4)


def test_sampled_costs_have_these_means(rng):
    term, exact = built(sampled=True), built()
    exact.head.set_weights(term.head.get_weights())
    forward = record(rng, 20000)
    found = np.stack(list(term.costs(forward).values()))
    expected = np.stack(list(exact.costs(forward).values()))
    # A quadratic form q'Mq / 2 has variance trace(M S M S) / 2.
    matrices = covariances(term, forward.code.numpy())
    inverses = np.stack([np.diag(1.0 / np.diag(matrix)) for matrix in matrices])
    products = (inverses - np.linalg.inv(matrices)) @ matrices
    variance = np.trace(products @ products, axis1=1, axis2=2) / 2
    # And the log-density of Z independent normals Z / 2.
    errors = np.stack([variance, np.full(ROWS, LATENT_DIM / 2)]) / 20000
    assert (abs(found - expected) < 4 * np.sqrt(errors) + 1e-5).all()
    assert (found != expected).all()


def test_a_draw_is_a_function_of_the_seed_and_apart_from_the_code(rng):
    term, forward = built(sampled=True), record(rng)
    first = term.log_copula(forward)
    np.testing.assert_array_equal(first, term.log_copula(forward))
    other = term.log_copula(forward._replace(seed=as_seed(7)))
    assert (first.numpy() != other.numpy()).all()
    moved = term.log_copula(forward._replace(z=forward.z + 1.0))
    np.testing.assert_array_equal(first, moved)


def test_both_ways_widen_the_posterior_alike(rng):
    """The gradient of the marginals is -1 a log scale, drawn or not."""
    code = rng.normal(size=(ROWS, CODE_DIM)).astype("float32")
    posterior = Gaussian(LATENT_DIM)
    log_variance = tf.zeros([ROWS, LATENT_DIM])
    for sampled in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(log_variance)
            params = {"loc": tf.ones_like(log_variance), "log_variance": log_variance}
            z, log_q = posterior.sample(params, 2, as_seed(0))
            forward = forward_record(
                code=code,
                posterior=posterior.distribution(params),
                z=z,
                log_q=log_q,
                seed=as_seed(1),
            )
            cost = built(sampled=sampled).cost(forward)
        np.testing.assert_allclose(tape.gradient(cost, log_variance), 0.5, rtol=1e-4)


def test_training_saturates_the_copula(rng):
    term, forward = built(batch_normalization=True), record(rng, training=True)
    optimizer = keras.optimizers.Adam(0.2)
    for _ in range(60):
        with tf.GradientTape() as tape:
            cost = tf.reduce_mean(-term.log_copula(forward))
        weights = term.head.trainable_variables
        optimizer.apply(tape.gradient(cost, [w.value for w in weights]), weights)
    # All three correlations at 2/3 in size.
    most = -0.5 * np.log((1 + 2 * 2 / 3) * (1 / 3) ** 2)
    assert 0.9 * most < -float(cost) < most


def test_the_bound_of_a_collapsed_posterior():
    """With weight w, KL - w * entropy has its optimum at variance 1 - w."""
    log_variance = tf.Variable(tf.zeros([1, LATENT_DIM]))
    term, posterior = built(), Gaussian(LATENT_DIM)
    prior = posterior.distribution(
        {"loc": tf.zeros([1, LATENT_DIM]), "log_variance": tf.zeros([1, LATENT_DIM])}
    )
    for _ in range(60):
        with tf.GradientTape() as tape:
            params = {"loc": tf.zeros([1, LATENT_DIM]), "log_variance": log_variance}
            forward = forward_record(
                code=tf.zeros([1, CODE_DIM]),
                posterior=posterior.distribution(params),
                prior=prior,
            )
            kl = KL().cost(forward)
            cost = kl + 0.4 * term.cost(forward)
        log_variance.assign_sub(tape.gradient(cost, log_variance))
    np.testing.assert_allclose(tf.exp(log_variance), 0.6, rtol=1e-3)
    # 1.77 nats with 32 dimensions.
    expected = 0.5 * (-0.4 - np.log(0.6))
    assert float(kl[0]) / LATENT_DIM == pytest.approx(expected, rel=1e-3)
    assert 32 * expected == pytest.approx(1.77, abs=5e-3)


@pytest.mark.slow
def test_trains_saves_loads_and_is_evaluated(tokens, tmp_path):
    exact = CopulaLikelihood(0.4)
    drawn = CopulaLikelihood(0.1, sampled=True, name="drawn")
    model = make_vae(objective=[Reconstruction(), KL(), exact, drawn])
    before = exact.get_weights() + drawn.get_weights()
    model.compile(keras.optimizers.Adam(0.01), jit_compile=False)
    logs = model.fit(dataset(tokens), epochs=2, shuffle=False, verbose=0).history
    expected = logs["nelbo"][0]
    for part in ("copula", "marginals"):
        expected += 0.4 * logs[f"copula_likelihood_{part}"][0]
        expected += 0.1 * logs[f"drawn_{part}"][0]
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-4)
    after = exact.get_weights() + drawn.get_weights()
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(model, loaded)
    assert [term.sampled for term in loaded.objective[2:]] == [False, True]
    found = evaluate(loaded, dataset(tokens), num_samples=3, jit_compile=False)
    assert found["kl_method"] == "closed_form"


@pytest.mark.parametrize("prior", [Implicit(LATENT_DIM), Deterministic(LATENT_DIM)])
def test_reports_nothing_without_a_density_of_the_prior(tokens, prior):
    model = make_vae(
        posterior=Gaussian(LATENT_DIM),
        prior=prior,
        objective=[Reconstruction(), CopulaLikelihood()],
    )
    result = evaluate(model, dataset(tokens), num_samples=2, jit_compile=False)
    assert "reconstruction" in result
    assert not {"nelbo_minus_log_copula", "nelbo", "kl"} & set(result)


def test_errors():
    for posterior in (
        Gaussian(2, covariance="full"),
        GaussianCopula(2),
        Deterministic(2),
    ):
        with pytest.raises(ValueError, match="`CopulaLikelihood` needs.*Received: "):
            make_vae(posterior=posterior, objective=[CopulaLikelihood()])
    # The prior could shrink with the posterior, at no KL.
    with pytest.raises(ValueError, match="rewards small scales.*prior=Gaussian"):
        make_vae(
            posterior=Gaussian(2),
            prior=Gaussian(2),
            objective=[Reconstruction(), KL(), CopulaLikelihood()],
        )
    with pytest.raises(ValueError, match="`CopulaLikelihood` reads latent codes"):
        LanguageModel(make_decoder(conditioning=()), objective=[CopulaLikelihood()])
    with pytest.raises(ValueError, match="`floor` must be positive"):
        CopulaLikelihood(floor=0)
    with pytest.raises(ValueError, match="`activation` must be one of"):
        CopulaLikelihood(activation="tanh")
