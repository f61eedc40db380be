import os
import random

# Before TensorFlow is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tests import support  # noqa: E402


@pytest.fixture(autouse=True)
def _seeded():
    # What Keras seeds initial weights with. Its own `set_random_seed` also makes
    # TensorFlow forget every function it has prepared.
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def rng():
    """A NumPy generator, the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def tokens():
    """Right-padded words `[5, 5]`, rows of lengths 5, 3, 1, 0 and 4."""
    return support.batch()


@pytest.fixture
def inputs(tokens):
    """What a model reads."""
    return {"tokens": tokens}


@pytest.fixture
def dataset(tokens):
    """The same rows as one batch of a dataset."""
    return support.dataset(tokens)
