import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from scipy import optimize, special, stats

from tests.evaluation import linear_gaussian as toy
from tests.support import batch, dataset, make_decoder, make_vae
from tfvae.distributions import aggregated_posterior
from tfvae.evaluation.evaluate import evaluate
from tfvae.evaluation.latent import (
    active_units,
    active_units_threshold,
    aggregate_metrics,
    aggregated_mmd,
    marginal_kl,
    moment_kl,
    mutual_information,
    standard_error,
)
from tfvae.evaluation.metrics import of_group
from tfvae.evaluation.posterior import exact_mean, with_density
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
from tfvae.objectives import Reconstruction
from tfvae.seeds import as_seed


def gaussian_params(loc, scale):
    loc = tf.constant(loc, tf.float32)
    return {
        "loc": loc,
        "log_variance": tf.fill(loc.shape, np.float32(2 * np.log(scale))),
    }


def random_params(rng, num, latent_dim, covariance):
    params = {
        "loc": rng.normal(size=(num, latent_dim)),
        "log_variance": rng.normal(-1, 0.5, (num, latent_dim)),
    }
    if covariance == "full":
        count = latent_dim * (latent_dim - 1) // 2
        params["lower"] = rng.normal(0, 0.4, (num, count))
    return {name: tf.constant(value, tf.float32) for name, value in params.items()}


def draw(posterior, params, num_samples=1):
    z, log_q = posterior.sample(params, num_samples, tf.constant([0, 1]))
    return z.numpy(), log_q.numpy()


def log_marginal_by_loop(posterior, params, z, block_size, leave_one_out):
    """Compares every code with every posterior of its block, one by one."""
    distribution = posterior.distribution(params)
    if posterior.covariance == "full":
        covariances = distribution.covariance().numpy()
    else:
        covariances = [np.diag(row) for row in distribution.variance().numpy()]
    densities = [
        stats.multivariate_normal(loc, covariance)
        for loc, covariance in zip(params["loc"].numpy(), covariances, strict=True)
    ]
    result = np.full(z.shape[:2], np.nan)
    for i in range(z.shape[1]):
        first = i // block_size * block_size
        block = densities[first : first + block_size]
        others = [q for j, q in enumerate(block, first) if j != i or not leave_one_out]
        for s in range(len(z) if others else 0):
            terms = [q.logpdf(z[s, i]) for q in others]
            result[s, i] = special.logsumexp(terms) - np.log(len(others))
    return result


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize(
    ("block_size", "leave_one_out"),
    [(None, False), (4, False), (5, True), (None, True)],
)
def test_matches_a_plain_double_loop(
    rng, monkeypatch, covariance, block_size, leave_one_out
):
    posterior = Gaussian(3, covariance=covariance)
    # 11 sentences: with blocks of 5 the last one is alone.
    params = random_params(rng, 11, 3, covariance)
    z, log_q = draw(posterior, params, num_samples=2)
    # Several chunks of rows and of columns, of uneven sizes.
    monkeypatch.setattr(aggregated_posterior, "_MAX_FLOATS", 30)
    options = {"block_size": block_size, "leave_one_out": leave_one_out}
    estimate = mutual_information(posterior, params, z, **options)
    expected = log_marginal_by_loop(
        posterior, params, z, block_size or 11, leave_one_out
    )
    np.testing.assert_allclose(estimate.log_marginal, expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(expected).any() == (block_size == 5)
    assert estimate.value == pytest.approx(np.nanmean(log_q - expected), abs=1e-4)
    monkeypatch.undo()
    whole = mutual_information(posterior, params, z, **options)
    np.testing.assert_allclose(whole.log_marginal, estimate.log_marginal, rtol=1e-5)


def test_matrix_product_keeps_precision_far_from_the_origin(rng):
    loc = 300 + rng.normal(0, 0.01, (6, 2)).astype("float32")
    posterior, params = Gaussian(2), gaussian_params(loc, 0.02)
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z)
    errors = (z[0][:, None].astype("float64") - loc[None]) / 0.02
    terms = -0.5 * (errors**2).sum(-1) - np.log(2 * np.pi) - 2 * np.log(0.02)
    expected = special.logsumexp(terms, axis=1) - np.log(6)
    np.testing.assert_allclose(estimate.log_marginal[0], expected, atol=1e-3)


def test_separated_posteriors_reach_the_caps(rng):
    posterior = Gaussian(2)
    params = gaussian_params(100.0 * rng.normal(size=(96, 2)), 0.01)
    codes = (params, draw(posterior, params)[0])
    batch = mutual_information(posterior, *codes, block_size=32)
    whole = mutual_information(posterior, *codes)
    others = mutual_information(posterior, *codes, block_size=33, leave_one_out=True)
    assert batch.value == pytest.approx(np.log(32), abs=1e-3)
    assert whole.value == pytest.approx(np.log(96), abs=1e-3)
    assert (batch.cap, batch.block_size) == (pytest.approx(np.log(32)), 32)
    assert (whole.cap, whole.block_size) == (pytest.approx(np.log(96)), 96)
    assert others.value > 1000 and others.cap == np.inf and others.block_size == 33


def test_last_batch_counts_by_its_size(rng):
    posterior = Gaussian(1)
    params = gaussian_params(1000.0 * np.arange(40.0)[:, None], 0.1)
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z, block_size=32)
    expected = (32 * np.log(32) + 8 * np.log(8)) / 40
    assert estimate.value == pytest.approx(expected, abs=1e-3)


def test_gaussian_channel(rng):
    """Means from `N(0, s^2)` and variance `t^2`: `0.5 * log(1 + s^2 / t^2)` a unit."""
    num, s, t = 3000, 1.0, 0.8
    posterior = Gaussian(2)
    params = gaussian_params(rng.normal(0, s, (num, 2)), t)
    z, log_q = draw(posterior, params, num_samples=2)
    expected = np.log(1 + s**2 / t**2)
    # The variance over codes of log q(z|x) - log q(z) for one unit is
    # s^2 / (s^2 + t^2): a noise term eps^2 / 2 against z^2 / (2 (s^2 + t^2)).
    error = (2 * s**2 / (s**2 + t**2) / num) ** 0.5
    for leave_one_out in (False, True):
        estimate = mutual_information(posterior, params, z, leave_one_out=leave_one_out)
        # The finite mixture itself is off by less than (e^MI) / num nats or so.
        assert abs(estimate.value - expected) < 4 * error + 0.01


def test_divergence_from_the_prior_is_information_plus_marginal(rng):
    num = 3000
    posterior = Gaussian(2)
    params = gaussian_params(rng.normal(0.5, 0.7, (num, 2)), 0.6)
    z, log_q = draw(posterior, params)
    log_prior = stats.norm.logpdf(z).sum(-1)
    information = mutual_information(posterior, params, z)
    marginal = marginal_kl(information, log_prior).value
    variance = 0.7**2 + 0.6**2
    per_unit = 0.5 * (variance + 0.5**2 - 1 - np.log(variance))
    difference = information.log_marginal - log_prior
    error = 4 * difference.std() / num**0.5
    assert abs(marginal - 2 * per_unit) < error + 0.01
    kl = 0.5 * (params["loc"].numpy() ** 2 + 0.6**2 - 1 - 2 * np.log(0.6)).sum(-1)
    error = 4 * (log_q - log_prior).std() / num**0.5
    assert abs(kl.mean() - information.value - marginal) < error


def gaussian_estimates(seed, loc, scale, num=400, latent_dim=2):
    """Draws means `N(*loc)` and one code each: the two estimates of a known value.

    Returns:
        Tuple of the information, its true value, the estimates of the divergence from
        the prior without and with the exact KL, and its true value.
    """
    (center, spread), rng = loc, np.random.default_rng(seed)
    params = gaussian_params(rng.normal(center, spread, (num, latent_dim)), scale)
    posterior = Gaussian(latent_dim)
    z = posterior.sample(params, 1, tf.constant([seed, 1]))[0].numpy()
    log_prior = stats.norm.logpdf(z).sum(-1)
    kl = 0.5 * (params["loc"].numpy() ** 2 + scale**2 - 1 - 2 * np.log(scale)).sum(-1)
    information = mutual_information(posterior, params, z)
    variance = spread**2 + scale**2
    per_unit = 0.5 * (variance + center**2 - 1 - np.log(variance))
    return (
        information,
        0.5 * latent_dim * np.log(variance / scale**2),
        marginal_kl(information, log_prior),
        marginal_kl(information, log_prior, kl),
        latent_dim * per_unit,
    )


@pytest.mark.parametrize(
    ("loc", "scale", "method"),
    [((0.4, 0.1), 0.9, "kl_minus_mi"), ((0.0, 0.8), 0.6, "sampled")],
)
def test_standard_errors_are_the_spread_over_corpora(loc, scale, method):
    found = [gaussian_estimates(seed, loc, scale) for seed in range(40)]
    information, true_mi, sampled, chosen, true_kl = zip(*found, strict=True)
    errors = [standard_error(each.by_sentence) for each in information]
    pairs = [([each.value for each in information], errors, true_mi[0])]
    for estimates in (sampled, chosen):
        values, errors, _ = zip(*estimates, strict=True)
        pairs.append((values, errors, true_kl[0]))
    for values, errors, true in pairs:
        spread = np.std(values, ddof=1)
        # The standard deviation of 40 values has a relative error of 1 / sqrt(78).
        assert np.mean(errors) == pytest.approx(spread, rel=4 / 78**0.5)
        # The finite mixture moves it by about (e^MI) / num nats.
        assert abs(np.mean(values) - true) < 4 * spread / 40**0.5 + 0.01
    assert {each.method for each in chosen} == {method}
    assert np.mean(pairs[2][1]) <= np.mean(pairs[1][1])
    if method == "kl_minus_mi":
        assert np.mean(pairs[2][1]) < 0.5 * np.mean(pairs[1][1])


def test_information_and_marginal_add_up_to_the_exact_divergence():
    information, _, sampled, chosen, _ = gaussian_estimates(0, (0.4, 0.1), 0.9)
    assert (sampled.method, chosen.method) == ("sampled", "kl_minus_mi")
    loc = np.random.default_rng(0).normal(0.4, 0.1, (400, 2))
    kl = 0.5 * (loc**2 + 0.9**2 - 1 - 2 * np.log(0.9)).sum(-1)
    assert information.value + chosen.value == pytest.approx(kl.mean(), rel=1e-5)
    # Of one sentence the mixture is its posterior, which the information is 0 of.
    posterior, params = Gaussian(2), gaussian_params([[0.4, 0.0]], 0.9)
    z = draw(posterior, params)[0]
    single = mutual_information(posterior, params, z)
    found = marginal_kl(single, stats.norm.logpdf(z).sum(-1), [0.1])
    assert found.value == pytest.approx(0.1, abs=1e-6)
    assert found.method == "kl_minus_mi" and np.isnan(found.standard_error)


def test_standard_error_by_hand():
    # The unbiased variance is 4.
    assert standard_error([1.0, 3.0, 5.0]) == pytest.approx(2 / 3**0.5)
    assert np.isnan(standard_error([1.0]))


def test_collapsed_posterior_carries_nothing():
    posterior = Gaussian(3)
    params = gaussian_params(np.zeros((50, 3)), 1.0)
    codes = (params, draw(posterior, params)[0])
    for options in ({}, {"block_size": 8}, {"block_size": 9, "leave_one_out": True}):
        estimate = mutual_information(posterior, *codes, **options)
        assert abs(estimate.value) < 1e-5


def test_full_covariance_gaussian_channel(rng):
    """Correlated noise: `0.5 * log(det(A + C) / det(C))` for signal A and noise C."""
    num = 1500
    posterior = Gaussian(2, covariance="full")
    params = {
        "loc": tf.constant(rng.normal(0, 1, (num, 2)), tf.float32),
        "log_variance": tf.fill([num, 2], -1.0),
        "lower": tf.fill([num, 1], 0.5),
    }
    noise = posterior.distribution(params).covariance().numpy()[0]
    expected = 0.5 * np.log(np.linalg.det(np.eye(2) + noise) / np.linalg.det(noise))
    z, log_q = draw(posterior, params)
    estimate = mutual_information(posterior, params, z)
    pointwise = log_q - estimate.log_marginal
    assert abs(estimate.value - expected) < 4 * pointwise.std() / num**0.5 + 0.01


def test_refuses_what_has_no_density():
    posterior = Deterministic(2)
    z = np.zeros((1, 3, 2))
    with pytest.raises(ValueError, match="density.*Received: posterior=Determinist"):
        mutual_information(posterior, {"loc": z[0]}, z)


def test_refuses_a_block_without_others():
    posterior, params = Gaussian(1), gaussian_params([[0.0], [1.0]], 1.0)
    z, log_q = draw(posterior, params)
    with pytest.raises(ValueError, match="block_size=1"):
        mutual_information(posterior, params, z, block_size=1, leave_one_out=True)


NUM, DIM = 7, 3


def planar_density(loc, scale, flows, z):
    """Computes the density of a code by inverting each flow with a root search."""
    log_determinant = 0.0
    for weight, shift, bias in reversed(flows):
        product = weight @ shift
        slope = np.logaddexp(0.0, product) - 1.0
        shift = shift + (slope - product) * weight / (weight @ weight)
        target = weight @ z + bias[0]
        root = optimize.brentq(
            lambda x, slope=slope, target=target: x + slope * np.tanh(x) - target,
            target - abs(slope) - 1.0,
            target + abs(slope) + 1.0,
            xtol=1e-14,
        )
        z = z - shift * np.tanh(root)
        log_determinant += np.log(1.0 + slope * (1.0 - np.tanh(root) ** 2))
    return stats.norm.logpdf(z, loc, scale).sum() - log_determinant


def densities_of(latent, params):
    """Returns one function of a code a sentence, `log q(z|x)` in float64."""
    values = {k: np.asarray(v, np.float64) for k, v in params.items()}
    if isinstance(latent, PlanarFlow):
        names = ("flow_weight", "flow_shift", "flow_bias")
        if not latent.conditional:
            values |= {
                name: np.repeat(latent.flows[name].numpy()[None], NUM, 0)
                for name in names
            }
        scale = np.exp(values["log_variance"] / 2)
        return [
            lambda z, i=i: planar_density(
                values["loc"][i],
                scale[i],
                list(zip(*(values[name][i] for name in names), strict=True)),
                z,
            )
            for i in range(NUM)
        ]
    if isinstance(latent, VonMisesFisher):
        direction = values["direction"]
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        concentration = 1.0 + np.logaddexp(0.0, values["raw_concentration"][:, 0])
        return [
            stats.vonmises_fisher(mean, kappa).logpdf
            for mean, kappa in zip(direction, concentration, strict=True)
        ]
    if isinstance(latent, Implicit):
        kernel = latent.of_noise.get_weights()[0]
        return [
            stats.multivariate_normal(loc, kernel.T @ kernel).logpdf
            for loc in values["projected"]
        ]
    diagonal = np.logaddexp(0.0, values["diagonal"]) + 0.5
    factor = np.tanh(values["factor"])
    result = []
    for i in range(NUM):
        covariance = diagonal[i] * np.eye(DIM) + np.outer(factor[i], factor[i])
        deviation = np.exp(values["log_variance"][i] / 2) / np.diag(covariance) ** 0.5
        covariance *= np.outer(deviation, deviation)
        gaussian = stats.multivariate_normal(values["loc"][i], covariance)
        result.append(gaussian.logpdf)
    return result


@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize(
    "latent",
    [
        PlanarFlow(DIM, 3, conditional=True, initializer="he_normal"),
        PlanarFlow(DIM, 2),
        VonMisesFisher(DIM),
        GaussianCopula(DIM),
        Implicit(DIM, 4),
    ],
    ids=["conditional", "shared", "sphere", "copula", "implicit"],
)
def test_matches_densities_of_other_making(rng, latent, leave_one_out):
    if not latent.built:
        latent.build(code_dim=4)
    if isinstance(latent, PlanarFlow) and not latent.conditional:
        for weight in latent.flows.values():
            weight.assign(rng.normal(size=weight.shape))
    params = latent(1.5 * rng.normal(size=(NUM, 4)).astype("float32"))
    posterior = with_density(latent, params)
    z, log_q = posterior.sample(params, 2, as_seed(0))
    z = z.numpy().astype(np.float64)
    if posterior.support == "sphere":
        z /= np.linalg.norm(z, axis=-1, keepdims=True)
    found = mutual_information(posterior, params, z, leave_one_out=leave_one_out)
    densities = densities_of(latent, params)
    for s in range(2):
        for i in range(NUM):
            terms = np.array([float(np.squeeze(q(z[s, i]))) for q in densities])
            assert float(log_q[s, i]) == pytest.approx(terms[i], abs=2e-3)
            others = np.delete(terms, i) if leave_one_out else terms
            expected = special.logsumexp(others) - np.log(len(others))
            assert found.log_marginal[s, i] == pytest.approx(expected, abs=2e-3)
    assert found.value == pytest.approx(
        float(np.mean(log_q - found.log_marginal)), abs=2e-3
    )


@pytest.mark.parametrize("conditional", [False, True])
def test_an_ignored_code_carries_nothing_through_flows(rng, conditional):
    latent = PlanarFlow(DIM, 2, conditional)
    latent.build(code_dim=4)
    params = latent(np.repeat(rng.normal(size=(1, 4)), 20, 0).astype("float32"))
    z, _ = latent.sample(params, 1, as_seed(0))
    assert mutual_information(latent, params, z).value == pytest.approx(0, abs=1e-4)


def test_active_units_by_hand():
    points = np.zeros((3, 3))
    points[:, 0] = [1.0, 2.0, 3.0]
    # Variance 0.0075 over n and 0.01125 over n - 1: only the latter is above 0.01.
    points[:, 1] = [0.0, 0.03375**0.5, 0.0]
    count, variances = active_units(points)
    assert count == 2
    np.testing.assert_allclose(variances, [1.0, 0.01125, 0.0])
    assert active_units(points, threshold=0.02)[0] == 1
    assert active_units(points, threshold=1.0)[0] == 0


def test_noise_of_the_means_is_no_activity(rng):
    num, draws = 2000, 16
    centre = np.zeros((num, 2))
    centre[:, 1] = rng.normal(0, 0.2, num)
    z = centre + rng.normal(size=(draws, num, 2))
    means, noise = z.mean(0), z.var(0, ddof=1) / draws
    assert active_units(means)[0] == 2
    count, variances = active_units(means, noise=noise)
    assert count == 1
    # The variance of a variance of normals is 2 / n of its square.
    error = 4 * (2 / num) ** 0.5 * np.array([1 / draws, 0.04 + 1 / draws])
    assert (abs(variances - [0.0, 0.04]) < error).all()


@pytest.mark.parametrize("points", [np.zeros((1, 4)), np.zeros(5)])
def test_active_units_need_two_sentences(points):
    with pytest.raises(ValueError, match="Received: shape="):
        active_units(points)


@pytest.mark.parametrize(
    ("concentration", "spread", "active"),
    [(5.0, 1.0, 8), (5.0, 0.0, 0), (0.5, 1.0, 0), (1.5, 1.0, 8)],
)
def test_active_units_of_directions(rng, concentration, spread, active):
    latent = VonMisesFisher(8, concentration)
    directions = 1.0 + spread * (rng.normal(size=(4000, 8)) - 1.0)
    params = {"direction": tf.constant(directions, tf.float32)}
    means = exact_mean(latent.distribution(params))
    # Uniform directions have the variance 1/8 a coordinate, and their means that times
    # the square of E[cosine]: 0.06 at 0.5 and 0.18 at 1.5, on both sides of 0.1.
    assert active_units(means, active_units_threshold(latent))[0] == active


def test_moment_kl_is_the_gaussian_divergence(rng):
    codes = rng.normal(size=(40, 2)) @ [[1.0, 0.5], [0.0, 2.0]] + [1.0, -1.0]
    mean, covariance = codes.mean(0), np.cov(codes.T)
    # By quadrature of the definition.
    grid = np.linspace(-14.0, 14.0, 561)
    z = np.stack(np.meshgrid(grid, grid), -1)
    q = scipy.stats.multivariate_normal(mean, covariance)
    p = scipy.stats.multivariate_normal([0.0, 0.0])
    step = grid[1] - grid[0]
    expected = (q.pdf(z) * (q.logpdf(z) - p.logpdf(z))).sum() * step**2
    np.testing.assert_allclose(moment_kl(codes), expected, rtol=1e-3)


def test_moment_kl_of_the_prior_and_of_a_subspace(rng):
    codes = rng.normal(size=(20000, 8))
    # Bias and noise in the moments.
    expected = 8 * 11 / (4 * 20000)
    np.testing.assert_allclose(moment_kl(codes), expected, rtol=0.7)
    assert moment_kl(np.outer(np.arange(6.0), [1.0, 0.0])) == np.inf


def test_mmd_tells_the_prior_from_others(rng):
    prior, same = rng.normal(size=(2, 400, 4))
    assert abs(aggregated_mmd(same, prior)) < 0.05
    assert aggregated_mmd(same + 2.0, prior) > 0.5
    few = aggregated_mmd(same[:3], prior[:2])

    def kernel(x, y):
        squares = ((x - y) ** 2).sum()
        bases = 8.0 * np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
        return (bases / (bases + squares)).sum()

    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    expected = np.mean([kernel(same[i], same[j]) for i, j in pairs])
    expected += kernel(prior[0], prior[1])
    expected -= 2 * np.mean([kernel(x, y) for x in same[:3] for y in prior[:2]])
    np.testing.assert_allclose(few, expected, rtol=1e-4)


def test_mmd_chooses_at_random(rng):
    codes = np.concatenate([np.zeros([300, 2]), np.full([300, 2], 9.0)])
    prior = rng.normal(size=(600, 2))
    first = aggregated_mmd(codes, prior, max_codes=100)
    assert first == aggregated_mmd(codes, prior, max_codes=100)
    assert first != aggregated_mmd(codes, prior, max_codes=100, seed=1)
    # Not the first hundred, which are all 0.
    every = aggregated_mmd(codes, prior, max_codes=600)
    assert abs(first - every) < 0.25 * every


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: moment_kl(np.zeros([2, 3])), r"more codes.*\(2, 3\)"),
        (lambda: aggregated_mmd(np.zeros([1, 2]), np.zeros([3, 2])), "at least two"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scales_of_a_gaussian_are_its_own():
    model = toy.diagonal_vae()
    tokens = toy.random_tokens(40)
    result = aggregate_metrics(model, dataset(tokens, 8))
    scale = np.exp(0.5 * model.posterior_params({"tokens": tokens})["log_variance"])
    assert result["posterior_scale"] == pytest.approx(scale.mean(), rel=1e-5)
    assert result["posterior_scale_below"] == pytest.approx((scale < 0.1).mean())
    assert result["num_aggregated"] == 40
    assert set(result) == set(of_group("aggregate"))


def test_points_far_from_the_prior_show():
    near = make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    far = make_vae(posterior=Deterministic(2), objective=[Reconstruction()])
    weights = [w + 3.0 for w in far.posterior.get_weights()]
    far.posterior.set_weights(weights)
    rows = dataset(batch())
    results = [aggregate_metrics(model, rows) for model in (near, far)]
    assert all(result["posterior_scale_below"] == 1.0 for result in results)
    assert results[1]["aggregated_mmd"] > results[0]["aggregated_mmd"] + 1.0


def test_a_sphere_has_no_moment_kl():
    model = make_vae(posterior=VonMisesFisher(3, 7.5), prior=SphericalUniform(3))
    result = evaluate(model, dataset(batch()), groups=["aggregate"])
    assert "moment_kl" not in result
    assert 0.0 < result["posterior_scale"] < 1.0


def test_refusals():
    model = LanguageModel(make_decoder(conditioning=()))
    with pytest.raises(ValueError, match="needs a latent"):
        aggregate_metrics(model, dataset(batch()))
    with pytest.raises(ValueError, match="at least one batch"):
        aggregate_metrics(make_vae(), [])
