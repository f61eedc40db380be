"""The record of one update."""

import typing


class Update(typing.NamedTuple):
    """What one update was computed from, for the logs.

    Attributes:
        forward: `Forward`.
        loss: Float32 scalar.
        costs: Dict of float32 `[B]`.
        weights: Dict of float32 scalars.
    """

    forward: typing.Any
    loss: typing.Any
    costs: dict
    weights: dict
