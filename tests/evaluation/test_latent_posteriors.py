"""Mutual information under every posterior, against densities of other making."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from tfvae.evaluation.density import with_density
from tfvae.evaluation.latent import mutual_information
from tfvae.latents import GaussianCopula, Implicit, PlanarFlow, VonMisesFisher
from tfvae.seeds import as_seed

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
    """Gives one function of a code a sentence, `log q(z|x)` in float64."""
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
def test_matches_a_plain_double_loop(rng, latent, leave_one_out):
    if not latent.built:
        latent.build((None, 4))
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
    latent.build((None, 4))
    params = latent(np.repeat(rng.normal(size=(1, 4)), 20, 0).astype("float32"))
    z, _ = latent.sample(params, 1, as_seed(0))
    assert mutual_information(latent, params, z).value == pytest.approx(0, abs=1e-4)
