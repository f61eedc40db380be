"""Latent-variable text models on TensorFlow, Keras 3 and TensorFlow Probability.

Names are imported when they are first used, so that the command line can answer
`--help` without waiting for TensorFlow.
"""

import importlib
import sys

import wrapt

__version__ = "0.1.0"

_ROOMS = (
    "decoders",
    "distributions",
    "encoders",
    "evaluation",
    "latents",
    "loops",
    "models",
    "objectives",
    "presets",
    "reporting",
    "samplers",
    "serving",
    "text",
    "training",
    "tuning",
)
_NAMES = {
    "Batches": "tfvae.text",
    "LanguageModel": "tfvae.models",
    "ModelBuilder": "tfvae.presets",
    "RunConfiguration": "tfvae.training",
    "VAE": "tfvae.models",
    "evaluate": "tfvae.evaluation",
    "load_model": "tfvae.training",
    "load_word_vectors": "tfvae.training",
    "neighbours": "tfvae.evaluation",
    "train": "tfvae.training",
}
__all__ = [*_ROOMS, *_NAMES]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"tfvae.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])


def _register(keras):
    """Lets `keras.models.load_model` know the classes of a saved model.

    A room that is being imported, for which Keras is, brings its own classes.
    """
    if not any(name.startswith("tfvae.") for name in sys.modules):
        importlib.import_module("tfvae.presets")


# At once where Keras is there, else after it is imported; TensorFlow brings wrapt.
wrapt.register_post_import_hook(_register, "keras")
