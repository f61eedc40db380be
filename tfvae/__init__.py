"""Latent-variable text models on TensorFlow, Keras 3 and TensorFlow Probability.

Names are imported when they are first used, so that the command line can answer
`--help` without waiting for TensorFlow.
"""

import importlib

from tfvae.version import __version__ as __version__

_FOLDERS = (
    "decoders",
    "distributions",
    "encoders",
    "evaluation",
    "latents",
    "models",
    "objectives",
    "presets",
    "reporting",
    "serving",
    "text",
    "training",
    "tuning",
)
_NAMES = {
    "VAE": "tfvae.models",
    "LanguageModel": "tfvae.models",
    "Blueprint": "tfvae.presets",
    "Recipe": "tfvae.training",
    "train": "tfvae.training",
    "evaluate": "tfvae.evaluation",
    "load_model": "tfvae.training",
}
__all__ = [*_FOLDERS, *_NAMES]


def __getattr__(name):
    if name in _FOLDERS:
        return importlib.import_module(f"tfvae.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tfvae' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
