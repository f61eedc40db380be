import pytest
import tensorflow as tf

from tests.serving.support import (
    CONDITIONAL,
    MAX_LENGTH,
    NUM_SAMPLES,
    NUM_TURNS,
    make_model,
)
from tfvae.serving import export


@pytest.fixture(scope="session")
def model():
    """A tiny VAE with a tokenizer; its weights are far from their start."""
    return make_model()


@pytest.fixture(scope="session")
def exported(model, tmp_path_factory):
    """The folder of a version of that model's export."""
    path = tmp_path_factory.mktemp("exports") / "tiny"
    return export(model, path, num_samples=NUM_SAMPLES, max_length=7)


@pytest.fixture(scope="session")
def signatures(exported):
    """The signatures of the export, loaded again."""
    # The variables of an export live as long as what was loaded.
    loaded = tf.saved_model.load(exported)
    yield loaded.signatures


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """Returns the model, the folder and the loaded signatures of each kind."""
    made = {}

    def of(kind):
        if kind not in made:
            model = CONDITIONAL[kind]()
            folder = export(
                model,
                tmp_path_factory.mktemp(kind) / "tiny",
                num_samples=NUM_SAMPLES,
                max_length=MAX_LENGTH,
                max_turns=NUM_TURNS,
            )
            made[kind] = model, folder, tf.saved_model.load(folder)
        model, folder, loaded = made[kind]
        return model, folder, loaded.signatures

    return of
