"""Samplers, which write sentences word by word."""

from tfvae.samplers.beam_search import BeamSearch as BeamSearch
from tfvae.samplers.sampler import Ancestral as Ancestral
from tfvae.samplers.sampler import Greedy as Greedy
from tfvae.samplers.sampler import Nucleus as Nucleus
from tfvae.samplers.sampler import Sampler as Sampler
from tfvae.samplers.sampler import TopK as TopK


def get_sampler(sampler):
    """Returns a sampler by name, or the sampler itself.

    Args:
        sampler: `Sampler`, or `"greedy"`, `"ancestral"`, `"top_k"`, `"nucleus"` or
            `"beam"` for one with default arguments.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: If the name is unknown.
    """
    if isinstance(sampler, Sampler):
        return sampler
    if sampler not in _BY_NAME:
        raise ValueError(
            f"`sampler` must be a `Sampler` or one of {sorted(_BY_NAME)}. "
            f"Received: sampler={sampler!r}"
        )
    return _BY_NAME[sampler]()


_BY_NAME = {
    "greedy": Greedy,
    "ancestral": Ancestral,
    "top_k": TopK,
    "nucleus": Nucleus,
    "beam": BeamSearch,
}
