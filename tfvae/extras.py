"""Packages that are installed by an extra of their own."""

import importlib


def require_extra(extra, purpose, *modules):
    """Checks that modules of an extra can be imported.

    Args:
        extra: Str, the extra of `setup.cfg` that they belong to.
        purpose: Str, what needs them.
        *modules: Names of the modules.

    Raises:
        ValueError: If one cannot; it says how to install it.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            package = module.partition(".")[0]
            raise ValueError(
                f"{purpose} needs {package}. Install it by "
                f"`pip install 'tfvae[{extra}]'`. Received: {error}"
            ) from error
