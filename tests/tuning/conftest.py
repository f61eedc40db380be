import json
import os

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.training import Recipe, train


@pytest.fixture(scope="session")
def tiny_recipe(texts):
    """A recipe of two short epochs without XLA."""
    return Recipe(
        "beta_vae", overrides=TINY, epochs=2, batch_size=20, xla=False, **texts
    )


@pytest.fixture(scope="session")
def plain_run(tiny_recipe, tmp_path_factory):
    """The run folder of that recipe with `beta=1.0`."""
    recipe = Recipe(**{**vars(tiny_recipe), "overrides": {**TINY, "beta": 1.0}})
    return train(recipe, tmp_path_factory.mktemp("plain") / "run", verbose=0)


@pytest.fixture
def make_results(tmp_path):
    """Writes a search's folder of given trials."""

    def make(values, figures, objective="nll"):
        for index, (value, figure) in enumerate(zip(values, figures, strict=True)):
            folder = tmp_path / "trials" / f"{index:03d}"
            os.makedirs(folder)
            result = {
                "trial": index,
                "values": value,
                "epochs": 3,
                "objective": objective,
                "score": figure.get(objective, 1.0),
                "figures": figure,
            }
            (folder / "trial.json").write_text(json.dumps(result))
        return str(tmp_path)

    return make
