import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from tests.support import forward_record, make_vae
from tfvae.latents import Gaussian, GaussianMixture, Latent, StandardNormal
from tfvae.objectives import KL, Reconstruction, UnitVarianceKL
from tfvae.objectives.kl import kl_method

tfd = tfp.distributions

ROWS, LATENT_DIM = 4, 3


def built(latent, code_dim=2):
    latent.build(code_dim=code_dim)
    return latent


def gaussian_kl(loc, covariance, other_loc, other_covariance):
    """The textbook divergence of two Gaussians, by NumPy in float64."""
    difference = other_loc - loc
    inverse = np.linalg.inv(other_covariance)
    log_ratio = (
        np.linalg.slogdet(other_covariance)[1] - np.linalg.slogdet(covariance)[1]
    )
    trace = np.trace(inverse @ covariance)
    return 0.5 * (trace + difference @ inverse @ difference - len(loc) + log_ratio)


def moments(distribution):
    """Means and covariances `[B, Z]`, `[B, Z, Z]` of either kind of Gaussian."""
    if isinstance(distribution, tfd.Independent):
        variance = distribution.variance().numpy().astype("float64")
        matrices = np.stack([np.diag(row) for row in variance])
    else:
        factor = distribution.scale_tril.numpy().astype("float64")
        matrices = factor @ factor.transpose(0, 2, 1)
    return distribution.mean().numpy().astype("float64"), matrices


def record(posterior, prior, rng, num_samples=1):
    """Samples latents given as parts into a record."""
    code = rng.normal(size=(ROWS, 2)).astype("float32")
    params = posterior(code)
    z, log_q = posterior.sample(params, num_samples, [0, 1])
    return forward_record(
        posterior=posterior.distribution(params),
        prior=prior.distribution(prior(tf.zeros([ROWS, 0]))),
        z=z,
        log_q=log_q,
    )


@pytest.fixture
def diagonal(rng):
    return record(built(Gaussian(LATENT_DIM)), built(StandardNormal(LATENT_DIM)), rng)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize("prior", ["standard", "diagonal", "full"])
def test_closed_form(rng, covariance, prior):
    posterior = built(Gaussian(LATENT_DIM, covariance))
    if prior == "standard":
        prior = built(StandardNormal(LATENT_DIM))
    else:
        prior = built(Gaussian(LATENT_DIM, prior), 0)
    forward = record(posterior, prior, rng)
    assert kl_method(forward.posterior, forward.prior) == "closed_form"
    pairs = zip(*moments(forward.posterior), *moments(forward.prior), strict=True)
    expected = [gaussian_kl(*row) for row in pairs]
    np.testing.assert_allclose(KL().cost(forward), expected, rtol=1e-4)


def test_closed_form_by_numbers():
    params = {"loc": tf.constant([[1.0, 0.0]]), "log_variance": tf.zeros([1, 2])}
    posterior = Gaussian(2).distribution(params)
    prior = StandardNormal(2).distribution({"loc": tf.zeros([1, 2])})
    found = KL().cost(forward_record(posterior=posterior, prior=prior))
    assert found.numpy().tolist() == [0.5]


class Logistic(Latent):
    """A latent whose divergence from a Gaussian has no registered form."""

    def build(self, *, code_dim):
        self.built = True

    def call(self, code, training=False):
        return {"loc": code[:, : self.latent_dim]}

    def distribution(self, params):
        return tfd.Independent(tfd.Logistic(params["loc"], 0.5), 1)

    def mode(self, params):
        return params["loc"]


def test_monte_carlo_agrees_with_an_integral(rng):
    num = 20000
    forward = record(Logistic(1), built(StandardNormal(1)), rng, num)
    assert kl_method(forward.posterior, forward.prior) == "monte_carlo"
    grid = np.linspace(-30.0, 30.0, 60001)
    found = KL().cost(forward).numpy()
    for row, loc in enumerate(forward.posterior.mean().numpy()[:, 0]):
        log_q = stats.logistic(loc, 0.5).logpdf(grid)
        gap = log_q - stats.norm().logpdf(grid)
        density = np.exp(log_q)
        expected = np.trapezoid(density * gap, grid)
        spread = np.trapezoid(density * (gap - expected) ** 2, grid) ** 0.5
        assert abs(found[row] - expected) < 4 * spread / num**0.5


def test_method_of_a_model():
    objective = [Reconstruction(), KL()]
    assert KL().method(make_vae(objective=objective)) == "closed_form"
    full = make_vae(posterior=Gaussian(2, "full"))
    assert KL().method(full) == "closed_form"
    logistic = make_vae(posterior=Logistic(2))
    assert KL().method(logistic) == "monte_carlo"


@pytest.mark.parametrize("over", ["sentence", "batch"])
@pytest.mark.parametrize("by", ["dimension", "total"])
def test_free_bits(diagonal, by, over):
    locs, matrices = moments(diagonal.posterior)
    variance = np.einsum("bii->bi", matrices)
    kl = 0.5 * (variance + locs**2 - 1.0 - np.log(variance))
    if by == "total":
        kl = kl.sum(1, keepdims=True)
    # Between the smallest and the largest, so that the floor takes some only.
    floor = float(np.sort(kl.mean(0) if over == "batch" else kl.ravel())[0]) * 1.01
    expected = np.zeros(ROWS)
    for row in range(ROWS):
        for column in range(kl.shape[1]):
            value = kl[:, column].mean() if over == "batch" else kl[row, column]
            expected[row] += max(value, floor)
    term = KL(free_bits=floor, free_bits_by=by, free_bits_over=over)
    np.testing.assert_allclose(term.cost(diagonal), expected, rtol=1e-4)
    assert (expected > kl.sum(1)).any() or over == "batch"


@pytest.mark.parametrize("over", ["sentence", "batch"])
@pytest.mark.parametrize("by", ["dimension", "total"])
def test_gradient_is_zero_below_the_floor(by, over):
    term = KL(free_bits=0.5, free_bits_by=by, free_bits_over=over)
    prior = StandardNormal(2).distribution({"loc": tf.zeros([1, 2])})

    def gradient(*values):
        loc = tf.constant([values])
        with tf.GradientTape() as tape:
            tape.watch(loc)
            params = {"loc": loc, "log_variance": tf.zeros([1, 2])}
            posterior = Gaussian(2).distribution(params)
            cost = term.cost(forward_record(posterior=posterior, prior=prior))
        return tape.gradient(cost, loc).numpy()[0].tolist()

    # The divergence of a dimension is loc ** 2 / 2: 0.32, 0.08 and 2.
    assert gradient(0.4, 0.8) == [0.0, 0.0]
    second = 0.0 if by == "dimension" else 0.4
    assert gradient(2.0, 0.4) == pytest.approx([2.0, second])


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_against_unit_variance(rng, covariance):
    posterior = built(Gaussian(LATENT_DIM, covariance))
    forward = record(posterior, built(StandardNormal(LATENT_DIM)), rng)
    identity = np.eye(LATENT_DIM)
    expected = [
        gaussian_kl(loc, matrix, loc, identity)
        for loc, matrix in zip(*moments(forward.posterior), strict=True)
    ]
    found = UnitVarianceKL().cost(forward)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_names_tell_the_two_figures_apart():
    assert KL().name == "kl"
    assert UnitVarianceKL().name == "kl_to_unit_variance"
    assert UnitVarianceKL(name="spread").name == "spread"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"free_bits": -1.0}, "`free_bits` must not be negative.*-1.0"),
        ({"free_bits_by": "word"}, "`free_bits_by` must be one of.*'word'"),
        ({"free_bits_over": "epoch"}, "`free_bits_over` must be one of.*'epoch'"),
    ],
)
def test_constructor_errors(options, message):
    with pytest.raises(ValueError, match=message):
        KL(**options)


def test_options_that_a_posterior_does_not_allow():
    by_dimension = [Reconstruction(), KL(free_bits=0.1)]
    with pytest.raises(ValueError, match="free_bits_by='total'.*posterior=Gaussian"):
        make_vae(posterior=Gaussian(2, "full"), objective=by_dimension)
    make_vae(
        posterior=Gaussian(2, "full"),
        objective=[Reconstruction(), KL(free_bits=0.1, free_bits_by="total")],
    )
    unit = [Reconstruction(), UnitVarianceKL()]
    with pytest.raises(ValueError, match="needs a Gaussian posterior.*Logistic"):
        make_vae(posterior=Logistic(2), objective=unit)


def gradients_of(term, weight, posterior_scale):
    """Gradients of the loss by both means, where the divergence is known.

    The posterior is `N(m, s ** 2)`, the prior `N(n, 1)`, of three dimensions; so the
    divergence falls by `n - m` for each unit of `n`.
    """
    loc = tf.constant([[0.3, -0.2, 0.1], [0.5, 0.4, 0.2]])
    mean = tf.constant([[0.1, 0.0, 0.0], [0.4, 0.4, -0.1]])
    term.weight = weight
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([loc, mean])
        posterior = tfd.Independent(tfd.Normal(loc, posterior_scale), 1)
        prior = tfd.Independent(tfd.Normal(mean, 1.0), 1)
        z = loc[None] + 0.0
        forward = forward_record(
            posterior=posterior, prior=prior, z=z, log_q=posterior.log_prob(z)
        )
        costs = term.costs(forward)
        loss, _ = term.weighted(costs, tf.constant(0))
    kl = tfd.kl_divergence(posterior, prior)
    return loss, costs, kl, *tape.gradient(loss, [loc, mean]), loc - mean


@pytest.mark.parametrize("by", ["dimension", "total"])
@pytest.mark.parametrize("floor", [0.0, 5.0])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_a_prior_that_always_learns(by, floor, weight):
    term = KL(free_bits=floor, free_bits_by=by, prior_always=True)
    loss, costs, kl, of_loc, of_mean, gap = gradients_of(term, weight, 0.8)
    # The prior has the gradient of the plain divergence, whatever weight and floor.
    np.testing.assert_allclose(of_mean, -gap / 2.0, atol=1e-6)
    np.testing.assert_allclose(costs["prior_kl"], kl, rtol=1e-5)
    # The posterior has none below the floor; the value is that without the option.
    expected = 0.0 if floor else weight * gap / 2.0
    np.testing.assert_allclose(of_loc, expected + 0.0 * gap, atol=1e-6)
    plain = KL(free_bits=floor, free_bits_by=by)
    value, plain_costs, _, _, without, _ = gradients_of(plain, weight, 0.8)
    np.testing.assert_allclose(loss, value, rtol=1e-6)
    np.testing.assert_allclose(costs[term.name], plain_costs[plain.name], rtol=1e-6)
    # What it is for.
    assert np.any(without) == (weight > 0.0 and not floor)


def test_a_prior_that_always_learns_from_samples(rng):
    # Against a mixture there is no closed form.
    prior = built(GaussianMixture(LATENT_DIM, 2), 0)
    term = KL(free_bits=50.0, free_bits_by="total", prior_always=True)
    with tf.GradientTape(persistent=True) as tape:
        forward = record(built(Gaussian(LATENT_DIM)), prior, rng, 3)
        loss, _ = term.weighted(term.costs(forward), None)
        plain = -tf.reduce_mean(forward.prior.log_prob(tf.stop_gradient(forward.z)))
    weights = [weight.value for weight in prior.weights]
    expected = tape.gradient(plain, weights)
    found = tape.gradient(loss, weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_prior_without_weights_cannot_learn():
    with pytest.raises(ValueError, match="`prior_always` needs a prior that is learn"):
        make_vae(objective=[Reconstruction(), KL(prior_always=True)])
    make_vae(prior=Gaussian(2), objective=[Reconstruction(), KL(prior_always=True)])
