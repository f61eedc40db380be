import json
import pathlib

import pytest

from tests.support import reseed
from tests.training.conftest import TINY
from tests.training.conftest import texts as texts
from tfvae.reporting import collect_runs, read_labelled, render
from tfvae.text import read_texts
from tfvae.training import RunConfiguration, RunFolder
from tfvae.training.run_folder import NEW_STATE

# What a run keeps beside it, with metrics of every kind.
KEPT = {
    "nll": 12.25,
    "nll_method": "importance_weighted",
    "kl": 2.5,
    "reconstruction": 10.0,
    "nelbo": 12.5,
    "mi": 0.75,
    "mi_cap": 2.9957,
    "num_tokens": 12345,
    "bleu_2": 0.125,
    "forward_perplexity": 5.5,
    "gradient_memory": 0.000125,
    "notes": ["A note on `nll` & <unk>."],
}
_HISTORIES = {
    "vae": """\
epoch,kl,kl_weight,loss,nelbo,reconstruction,reconstruction_weight,val_kl,val_loss,\
val_nelbo,val_reconstruction
0,4.0,0.5,32.0,34.0,30.0,1.0,3.0,34.0,34.0,31.0
1,3.5,1.0,29.5,29.5,26.0,1.0,2.75,28.75,28.75,26.0
""",
    "language_model": """\
epoch,loss,nll,val_loss,val_nll
0,33.0,33.0,31.0,31.0
1,28.0,28.0,27.5,27.5
""",
}
_STATE = {**NEW_STATE, "epoch": 2, "best": 27.5, "best_epoch": 2, "finished": True}


def make_run(texts, folder, preset="vae", **fields):
    """Writes the folder of a run of a tiny model that has its initial weights."""
    reseed(1)
    overrides = {**TINY, **fields.pop("overrides", {})}
    configuration = RunConfiguration(preset, overrides=overrides, **texts, **fields)
    tokenizer = configuration.make_tokenizer()
    tokenizer.adapt(read_texts(texts["train"]))
    run = RunFolder(folder)
    run.create(configuration)
    configuration.make_model(tokenizer, 1).save(run.model)
    return run.path


def _make_finished_run(texts, folder, preset):
    # The length bounds what untrained models write.
    fields = {"batch_size": 20, "max_length": 16, "too_long": "truncate"}
    make_run(texts, folder, preset, **fields)
    (folder / "history.csv").write_text(_HISTORIES[preset])
    (folder / "state.json").write_text(json.dumps(_STATE))


@pytest.fixture(scope="session")
def runs(texts, tmp_path_factory):
    """Folders of a VAE that keeps metrics, one of its name that was broken off in its
    first epoch, and a language model."""
    folder = tmp_path_factory.mktemp("runs")
    paths = {"vae": folder / "vae", "other": folder / "more" / "vae"}
    paths["lm"] = folder / "lm"
    _make_finished_run(texts, paths["vae"], "vae")
    (paths["vae"] / "test.json").write_text(json.dumps(KEPT))
    _make_finished_run(texts, paths["lm"], "language_model")
    configuration = RunConfiguration.load(paths["vae"] / "recipe.json")
    RunFolder(paths["other"]).create(configuration)
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture(scope="session")
def data_path(texts, tmp_path_factory):
    """A file of sentences with a word that no model knows, and labels."""
    path = tmp_path_factory.mktemp("data") / "test.tsv"
    lines = pathlib.Path(texts["valid"]).read_text("utf-8").splitlines()
    rows = [f"<xyzzy> {x}\t{'<odd>' if n % 2 else 'even'}" for n, x in enumerate(lines)]
    path.write_text("\n".join(["text\tkind", *rows]), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def data(data_path):
    """Those sentences."""
    return read_labelled(data_path, label_column="kind")


@pytest.fixture(scope="session")
def records(runs, data):
    """All three runs, the language model measured on the sentences."""
    return collect_runs(list(runs.values()), data, num_samples=2, num_read=4)


@pytest.fixture(scope="session")
def html(records, data):
    """Their page."""
    return render(records, data)
