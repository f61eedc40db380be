"""Every public part is in the table."""

import inspect

import pytest

from tests.conformance.parts import PARTS
from tfvae import decoders, encoders, latents, loops, models, objectives, samplers
from tfvae.models import Forward

# A record, not a part.
NOT_PARTS = {Forward}


@pytest.mark.parametrize(
    "folder", [encoders, decoders, latents, objectives, models, loops, samplers]
)
def test_every_public_class_is_in_the_table(folder):
    public = {
        value
        for name, value in vars(folder).items()
        if inspect.isclass(value) and not name.startswith("_")
    }
    parts = [row.make() for row in PARTS]
    # A base class is in it by its subclasses.
    missing = {
        cls.__name__
        for cls in public - NOT_PARTS
        if not any(isinstance(part, cls) for part in parts)
    }
    assert public
    assert missing == set()


def test_names_tell_the_rows_apart():
    names = [(row.kind, row.name) for row in PARTS]
    assert len(set(names)) == len(names)
