import os
import random

# Before TensorFlow is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker for each core: the threads of one would only wait for those of another.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

# `tests.support` is imported where it is needed: the process that only hands tests
# out to workers starts without TensorFlow.


@pytest.fixture(autouse=True)
def _seeded():
    # What Keras seeds initial weights with; see `tests.support.reseed`.
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def rng():
    """A NumPy generator, the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def tokens():
    """Right-padded words `[5, 5]`, rows of lengths 5, 3, 1, 0 and 4."""
    from tests import support

    return support.batch()


@pytest.fixture
def inputs(tokens):
    """What a model reads."""
    return {"tokens": tokens}


@pytest.fixture
def dataset(tokens):
    """The same rows as one batch of a dataset."""
    from tests import support

    return support.dataset(tokens)


@pytest.fixture
def eagerly():
    """Models compiled in the test run their steps op by op."""
    from tests import support

    with support.eager_steps():
        yield
