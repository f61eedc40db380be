"""The guide's client code runs as printed, against the stand-in for TF Serving."""

import dataclasses
import shlex
import urllib.request

import pytest
import tensorflow as tf

from tests.serving.server import NAME, Model, grpc_server, rest_server
from tests.test_docs import ROOT, code_blocks, run_python, run_shell, write_texts
from tfvae.presets import SETTINGS, ModelBuilder, cvae, vae, vae_transfer
from tfvae.serving import export
from tfvae.text import Batches

BLOCKS = [
    block
    for block in code_blocks(ROOT / "docs" / "serving.md")
    if block.marker == "needs a running server"
]
SMALL = dataclasses.replace(
    SETTINGS["ivae"], embedding_dim=4, encoder_dim=4, decoder_dim=4, latent_dim=2
)


class Models:
    """Several models behind one server, by their names."""

    def __init__(self, models):
        self.models = models

    def metadata(self, name, *version):
        """Returns the shapes of a model's inputs."""
        return self.models[name].metadata(NAME, *version)

    def predict(self, name, *request):
        """Answers by a model."""
        return self.models[name].predict(NAME, *request)

    def specs(self, signature):
        """Returns the inputs of a signature of `vae`, the one that is asked by REST."""
        return self.models["vae"].specs(signature)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The folder of the texts, while the models of the guide are served."""
    folder = tmp_path_factory.mktemp("guide")
    write_texts(folder)
    rows = [
        {"text": "the food was great .", "label": "positive"},
        {"text": "the food was bad .", "label": "negative"},
    ]
    pairs = Batches(
        [
            {"text": "we are fine .", "context": ["how are you ?", "and you ?"]},
            {"text": "the food was good .", "context": ["was it ?"]},
        ],
        batch_size=2,
        max_turns=2,
    )
    data = {
        "vae": (vae, Batches(str(folder / "train.txt"), batch_size=2)),
        "cvae": (cvae, pairs),
        "style": (vae_transfer, Batches(rows, batch_size=2)),
    }
    loaded = {}
    for name, (preset, batches) in data.items():
        model = preset(ModelBuilder(SMALL, batches, total_steps=10))
        path = export(model, folder / "saved_models" / name, max_length=7)
        loaded[name] = tf.saved_model.load(path)
    models = Models({name: Model(each.signatures) for name, each in loaded.items()})
    with grpc_server(models, 8500), rest_server(models, 8501):
        yield folder


@pytest.mark.long
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_guides_client_runs(block, served, monkeypatch, capfd):
    monkeypatch.chdir(served)
    if block.language == "python":
        run_python(block, "docs/serving.md", {"__name__": "page"})
    elif block.code.startswith("curl "):
        # What it sends, where it may not be installed.
        _, flag, body, url = shlex.split(block.code.replace("\\\n", " "))
        assert flag == "-d"
        with urllib.request.urlopen(url, body.encode("utf-8")) as answer:
            print(answer.read().decode("utf-8"))
    else:
        run_shell(block.code)
    printed = capfd.readouterr().out
    assert printed.strip() and "error" not in printed
