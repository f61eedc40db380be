import json
import os

import pytest

from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.training import RunConfiguration, train


@pytest.fixture(scope="session")
def tiny_configuration(texts):
    """A configuration of two short epochs without XLA."""
    return RunConfiguration(
        "beta_vae", overrides=TINY, epochs=2, batch_size=20, **texts
    )


@pytest.fixture(scope="session")
def plain_run(tiny_configuration, tmp_path_factory):
    """The run folder of that configuration with `beta=1.0`."""
    configuration = RunConfiguration(
        **{
            **vars(tiny_configuration),
            "overrides": {**TINY, "beta": 1.0},
            # What a search by it tells its trials.
            "monitor": "val_nelbo",
        }
    )
    return train(configuration, tmp_path_factory.mktemp("plain") / "run", verbose=0)


@pytest.fixture
def make_results(tmp_path):
    """Writes a search's folder of given trials."""

    def make(values, metrics, objective="nll"):
        for index, (value, metric) in enumerate(zip(values, metrics, strict=True)):
            folder = tmp_path / "trials" / f"{index:03d}"
            os.makedirs(folder)
            result = {
                "trial": index,
                "values": value,
                "epochs": 3,
                "objective": objective,
                "score": metric.get(objective, 1.0),
                "metrics": metric,
            }
            (folder / "trial.json").write_text(json.dumps(result))
        return str(tmp_path)

    return make
