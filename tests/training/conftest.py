import pytest

from tfvae.text import default_grammar
from tfvae.training import RunConfiguration

TINY = {"embedding_dim": 6, "encoder_dim": 8, "decoder_dim": 8, "latent_dim": 3}


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """Paths of a training and a validation text of 40 and 20 sentences."""
    folder = tmp_path_factory.mktemp("texts")
    paths = {}
    for name, num in (("train", 40), ("valid", 20)):
        sentences = default_grammar().sample(num, name)
        path = folder / f"{name}.txt"
        path.write_text("".join(f"{s.text}\n" for s in sentences), encoding="utf-8")
        paths[name] = str(path)
    return paths


@pytest.fixture(scope="session")
def configuration(texts):
    """Creates configurations of tiny runs without XLA."""

    def make(preset="vae", **fields):
        overrides = {**TINY, **fields.pop("overrides", {})}
        options = {"epochs": 3, "batch_size": 8, "xla": False, **texts, **fields}
        return RunConfiguration(preset=preset, overrides=overrides, **options)

    return make
