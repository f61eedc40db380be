"""Sentences of a model, for people to read."""

import typing

from tfvae.models.interpolation import interpolate, prior_ends, walk
from tfvae.models.writing import reconstruct, write


class Interpolation(typing.NamedTuple):
    """Sentences on the way between two codes.

    Attributes:
        first: Str, the sentence at its start, or `None` for a draw of the prior.
        last: Str, the sentence at its end, or `None`.
        steps: List of tuples of the fraction of the way and the sentence there.
    """

    first: str | None
    last: str | None
    steps: list


class Reading(typing.NamedTuple):
    """What a model wrote.

    Attributes:
        samples: List of str, from draws of the prior or of a language model.
        reconstructions: List of tuples of a sentence and what the model made of it.
        interpolations: List of `Interpolation`.
    """

    samples: list
    reconstructions: list
    interpolations: list


def read_model(
    model, texts=(), *, num_samples=8, num_steps=5, max_length=60, seed=0, num_paths=2
):
    """Lets a model write.

    Args:
        model: `VAE` or `LanguageModel` with a tokenizer.
        texts: List of str to write again; between each two of them, up to `num_paths`
            times, there is an interpolation, without texts between draws of the prior.
        num_samples: Positive int, sentences drawn.
        num_steps: Int of at least 2, sentences of an interpolation.
        max_length: Positive int, the most words read and written.
        seed: Int.
        num_paths: Int, interpolations.

    Returns:
        A `Reading`; without a latent it has samples only.
    """
    options = {"max_length": max_length, "seed": seed}
    samples = list(write(model, num_samples, batch_size=num_samples, **options))
    if model.posterior is None:
        return Reading(samples, [], [])
    reconstructions = list(reconstruct(model, texts, **options)) if texts else []
    options["num_steps"] = num_steps
    pairs = list(zip(texts[::2], texts[1::2], strict=False))[:num_paths]
    paths = [
        Interpolation(*pair, interpolate(model, *pair, **options)) for pair in pairs
    ]
    if not paths:
        for path in range(num_paths):
            ends = prior_ends(model, seed + path)
            paths.append(Interpolation(None, None, walk(model, *ends, **options)))
    return Reading(samples, reconstructions, paths)
