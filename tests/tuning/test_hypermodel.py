import dataclasses

import keras_tuner
import numpy as np
import pytest

from tests.training.conftest import TINY
from tests.training.test_train import _rows
from tfvae.text import default_grammar
from tfvae.training import RunConfiguration
from tfvae.tuning.hypermodel import TextHyperModel, measure
from tfvae.tuning.search_space import Objective

pytestmark = pytest.mark.filterwarnings(
    # KerasTuner names the current thread in an old way.
    "ignore:currentThread:DeprecationWarning",
    "ignore:getName:DeprecationWarning",
)


@pytest.fixture(scope="module")
def searched(tiny_configuration, tmp_path_factory):
    """KerasTuner's own tuner after one trial."""
    hypermodel = TextHyperModel(tiny_configuration, ["beta=1.0"])
    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective=hypermodel.objective.for_tuner(),
        max_trials=1,
        directory=tmp_path_factory.mktemp("plain"),
        project_name="beta",
    )
    tuner.search(verbose=0)
    return tuner


@pytest.mark.slow
def test_plain_keras_tuner_gives_the_metrics_of_train(searched, plain_run):
    (trial,) = searched.oracle.get_best_trials()
    costs = [float(row["val_nelbo"]) for row in _rows(plain_run)]
    assert trial.score == pytest.approx(min(costs), rel=1e-6)
    assert trial.best_step == int(np.argmin(costs))
    assert searched.get_best_hyperparameters()[0].values == {"beta": 1.0}


@pytest.mark.slow
def test_plain_keras_tuner_keeps_the_best_weights(searched, plain_run):
    (model,) = searched.get_best_models()
    best = plain_run.load_model()
    for one, other in zip(model.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_begins_with_what_a_run_does(tiny_configuration, plain_run):
    configuration = dataclasses.replace(
        tiny_configuration, start_from=plain_run.path, freeze="decoder", seed=1
    )
    hypermodel = TextHyperModel(configuration, ["beta=0.1:1"])
    model = hypermodel.build(keras_tuner.HyperParameters())
    source = plain_run.load_model()
    assert model.tokenizer.vocabulary == source.tokenizer.vocabulary
    for name in ("encoder", "posterior", "decoder"):
        parts = [getattr(each, name).get_weights() for each in (model, source)]
        for one, other in zip(*parts, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not model.decoder.trainable and model.encoder.trainable
    sizes = {k: v for k, v in configuration.overrides.items() if k != "latent_dim"}
    free = dataclasses.replace(configuration, overrides=sizes)
    wider = TextHyperModel(free, ["latent_dim=7,8"])
    with pytest.raises(ValueError, match="the posterior of that run does not fit"):
        wider.build(keras_tuner.HyperParameters())


def test_space_and_configuration_of_a_trial(tiny_configuration):
    hypermodel = TextHyperModel(
        tiny_configuration, ["beta=0.1:1:log", "output_dropout=0,0.5"]
    )
    hp = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(hp)
    assert {each.name for each in hp.space} == {"beta", "output_dropout"}
    hp.values.update({"beta": 1 / 3, "output_dropout": 0.5})
    configuration = hypermodel.configuration_for(hp)
    assert configuration.overrides == {
        **tiny_configuration.overrides,
        "beta": 0.333333,
        "output_dropout": 0.5,
    }
    assert configuration.epochs == tiny_configuration.epochs
    hp.values["tuner/epochs"] = 7
    assert hypermodel.configuration_for(hp).epochs == 7


def test_grid_declares_the_values_of_the_table(tiny_configuration):
    hp = keras_tuner.HyperParameters()
    TextHyperModel(tiny_configuration, grid=True).declare_hyperparameters(hp)
    assert hp.space[0].values == [0.4, 0.5, 0.8, 1.0, 1.2]


def test_refuses(tiny_configuration):
    with pytest.raises(ValueError, match="Give `valid`"):
        TextHyperModel(RunConfiguration("beta_vae", train="train.txt"))
    with pytest.raises(ValueError, match="`num_samples` must be positive"):
        TextHyperModel(tiny_configuration, num_samples=0)


def test_transfers_are_measured_where_a_model_makes_them(
    tiny_configuration, tmp_path, monkeypatch
):
    sentences = default_grammar().sample(40, seed=3)
    rows = [f"{each.text}\t{each.names()['sentiment']}\n" for each in sentences]
    table = tmp_path / "moods.tsv"
    table.write_text("text\tmood\n" + "".join(rows), encoding="utf-8")
    configuration = RunConfiguration(
        "dae_transfer",
        train=str(table),
        valid=str(table),
        label_column="mood",
        overrides=TINY,
        epochs=1,
    )
    none = keras_tuner.HyperParameters()
    model = TextHyperModel(configuration, ["learning_rate=0.001"]).build(none)
    objective = Objective.parse("1 - transfer_joint")
    objective.check(model)
    # The classifiers' sentences are the training text's.
    monkeypatch.setattr(type(model), "transfer", lambda self, texts, *_, **__: texts)
    metrics = measure(model, configuration, 2)
    assert metrics["transfer_copy"] == 1.0 and "reconstruction" in metrics
    assert metrics["transfer_self_bleu"] == pytest.approx(1.0)
    assert metrics["transfer_classifier_accuracy"] == 1.0
    assert metrics["transfer_accuracy"] == 0.0
    assert objective.value(metrics) == 1.0
    model = TextHyperModel(tiny_configuration, ["beta=1.0"]).build(none)
    with pytest.raises(ValueError, match="transfer_joint' is not defined.*label"):
        objective.check(model)
