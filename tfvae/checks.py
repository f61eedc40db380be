"""Checks of arguments, names and packages, with one message for each kind."""

import difflib
import importlib


def require(name, value, is_allowed, what):
    """Refuses an argument that is not what it must be.

    Args:
        name: Str, the argument's.
        value: Its value.
        is_allowed: Bool. Whether it is what it must be.
        what: Str, the end of the sentence that it must be ..., such as `"positive"`.

    Raises:
        ValueError: Unless `is_allowed`; it names the argument, what it must be and the
            value.
    """
    if not is_allowed:
        raise ValueError(f"`{name}` must be {what}. Received: {name}={value}")


def require_one_of(name, value, allowed):
    """Refuses an argument that is none of the allowed ones; see `require`."""
    require(name, repr(value), value in allowed, f"one of {allowed}")


def unknown(what, name, known):
    """Formats the refusal of a name, with the nearest right one."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {what} {name!r}.{hint} Known: {', '.join(sorted(known))}."


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
