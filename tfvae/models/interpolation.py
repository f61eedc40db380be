"""Ways between codes, and sums of codes."""

import numpy as np

from tfvae.checks import require, require_one_of

PATHS = ("line", "sphere")
# Below it, in radians, the great circle and the straight line agree in float64.
_SMALLEST_ANGLE = 1e-6


def slerp(first, last, fractions):
    """Goes along the great circle, at a steady pace.

    Computes `(sin((1 - t) * a) * u + sin(t * a) * v) / sin(a)` with the unit vectors
    `u` and `v` of the two and the angle `a` between them. The norm goes straight from
    one to the other, so that unit vectors stay on the sphere.

    Args:
        first: Float array `[Z]`, not zero.
        last: Float array `[Z]`, not zero.
        fractions: Float array `[F]`, `0` for the first and `1` for the last.

    Returns:
        Float64 array `[F, Z]`.

    Raises:
        ValueError: If a vector is zero, or they are opposite, so that every great
            circle through one goes through the other.

    Example:
    >>> slerp([1.0, 0.0], [0.0, 1.0], [0.0, 1 / 3]).round(4).tolist()
    [[1.0, 0.0], [0.866, 0.5]]

    References:
        Shoemake 1985, Animating Rotation with Quaternion Curves, section 3.3.
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    norms = np.linalg.norm(first), np.linalg.norm(last)
    if min(norms) == 0.0:
        raise ValueError(
            "`first` and `last` of a great circle must not be zero. Received: norms "
            f"{norms[0]:g} and {norms[1]:g}"
        )
    u, v = first / norms[0], last / norms[1]
    # Of a sum and a difference: the arc cosine is inexact for small angles.
    angle = 2.0 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if np.pi - angle < _SMALLEST_ANGLE:
        raise ValueError(
            "`first` and `last` of a great circle must not be opposite, since there "
            f"is no single way between. Received: an angle of {angle:g} radians"
        )
    t = np.asarray(fractions, np.float64)[:, None]
    if angle < _SMALLEST_ANGLE:
        directions = (1.0 - t) * u + t * v
    else:
        weights = np.sin((1.0 - t) * angle), np.sin(t * angle)
        directions = (weights[0] * u + weights[1] * v) / np.sin(angle)
    return ((1.0 - t) * norms[0] + t * norms[1]) * directions


def interpolation_path(first, last, num_steps, path="line"):
    """Places codes at equal steps between two, both ends included.

    Args:
        first: Float array `[Z]`.
        last: Float array `[Z]`.
        num_steps: Int of at least 2, the codes placed.
        path: `"line"`, or `"sphere"` for the great circle of `slerp`. Defaults to
            `"line"`.

    Returns:
        Tuple of the fractions of the way, float64 `[num_steps]`, and the codes,
        float64 `[num_steps, Z]`.

    Raises:
        ValueError: If `num_steps` is below 2, `path` is unknown or there is no great
            circle.

    Example:
    >>> interpolation_path([0.0, 4.0], [2.0, 0.0], 3)[1].tolist()
    [[0.0, 4.0], [1.0, 2.0], [2.0, 0.0]]
    """
    require("num_steps", num_steps, num_steps >= 2, "at least 2")
    require_one_of("path", path, PATHS)
    fractions = np.arange(num_steps) / (num_steps - 1)
    if path == "sphere":
        return fractions, slerp(first, last, fractions)
    t = fractions[:, None]
    return fractions, (1.0 - t) * np.asarray(first) + t * np.asarray(last)


def vector_arithmetic(start, minus, plus, support="real"):
    """Computes `start - sum(minus) + sum(plus)` of codes.

    With one code on either side this is the analogy "`minus` is to `plus` as `start`
    is to what".

    Args:
        start: Float array `[Z]`.
        minus: Float array `[M, Z]`, or an empty list.
        plus: Float array `[P, Z]`, or an empty list.
        support: `"real"`, or `"sphere"` to scale the sum to norm 1. Defaults to
            `"real"`.

    Returns:
        Float64 array `[Z]`.

    Raises:
        ValueError: If the sum has no direction and the support is the sphere.

    Example:
    >>> vector_arithmetic([1.0, 2.0], [[1.0, 0.0]], [[0.0, 1.0]]).tolist()
    [0.0, 3.0]

    References:
        Mikolov et al. 2013, Linguistic Regularities in Continuous Space Word
        Representations, section 4.
    """
    total = np.array(start, np.float64)
    for sign, codes in ((-1.0, minus), (1.0, plus)):
        for code in codes:
            total += sign * np.asarray(code, np.float64)
    if support != "sphere":
        return total
    norm = np.linalg.norm(total)
    if norm < 1e-9:
        raise ValueError(
            "The sum of the codes is zero, which has no direction on the sphere. Leave "
            "out a sentence that stands on both sides."
        )
    return total / norm
