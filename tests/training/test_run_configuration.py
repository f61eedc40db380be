import dataclasses

import pytest

from tfvae.presets import SETTINGS
from tfvae.text import WordTokenizer
from tfvae.training import RunConfiguration


def test_comes_back_from_its_file(tmp_path, configuration):
    made = configuration("beta_vae", overrides={"beta": 0.5}, patience=2, seed=7)
    made.save(tmp_path / "recipe.json")
    assert RunConfiguration.load(tmp_path / "recipe.json") == made


def test_tuples_survive_the_file(tmp_path, configuration):
    made = configuration(overrides={"bridge_dims": (4, 5)})
    made.save(tmp_path / "recipe.json")
    loaded = RunConfiguration.load(tmp_path / "recipe.json")
    assert loaded == made
    assert loaded.resolved_setting().bridge_dims == (4, 5)


def test_overrides_go_to_preset_and_setting(configuration):
    made = configuration("beta_vae", overrides={"beta": 0.25, "learning_rate": 0.5})
    assert made.resolved_setting().learning_rate == 0.5
    assert made.resolved_setting().latent_dim == 3
    tokenizer = made.make_tokenizer()
    tokenizer.adapt(["a b c"])
    model = made.make_model(tokenizer, 5)
    assert model.objective[1].weight.final == 0.25
    assert float(model.optimizer.learning_rate) == 0.5


def test_the_settings_sizes_count_words(configuration):
    def limits(tokenizer, **overrides):
        made = configuration(setting="copula", tokenizer=tokenizer, overrides=overrides)
        made = made.make_tokenizer()
        return made.max_tokens, made.min_count

    setting = SETTINGS["copula"]
    assert limits("word") == (setting.max_tokens, setting.min_count) == (20000, 2)
    for tokenizer in ("wordpiece", "character"):
        assert limits(tokenizer) == (None, 1)
        assert limits(tokenizer, max_tokens=500, min_count=3) == (500, 3)


def test_length_of_training(configuration):
    def num_steps(**fields):
        tokenizer = WordTokenizer(vocabulary=["a"])
        return configuration(**fields).builder(tokenizer, 10).num_steps

    assert num_steps(epochs=3) == 30
    assert num_steps(epochs=None, steps=17) == 17
    # The settings' own: 40 epochs, 60000 steps.
    assert num_steps(epochs=None) == 400
    assert num_steps(epochs=None, setting="coupled") == 60000


def test_batches(configuration, tmp_path):
    made = configuration(max_length=11, too_long="drop", seed=3)
    batches = made.training_batches()
    assert (batches.shuffle, batches.batch_size, batches.seed) == (True, 8, 3)
    assert batches.num_sentences() == 27
    assert batches.counts().longest == 11
    validation = made.validation_batches(batches.tokenizer)
    assert validation.tokenizer is batches.tokenizer
    assert (validation.shuffle, validation.drop_remainder) == (False, False)
    # Sorted by length within a window.
    assert validation.sort
    assert configuration(valid=None).validation_batches(batches.tokenizer) is None
    few = made.batches(["a b", "c"], batches.tokenizer, shuffle=False, batch_size=1)
    assert len(few) == 2
    table = tmp_path / "table.tsv"
    table.write_text("label\tsentence\n1\ta b\n0\tc\n")
    made = configuration(train=str(table), valid=None, column="sentence")
    assert made.training_batches().tokenizer.vocabulary[4:] == ["a", "b", "c"]


def test_options_without_a_value_have_types(configuration):
    made = configuration("mine_vae", overrides={"cap": 3.0})
    model = made.make_model(WordTokenizer(vocabulary=["a"]), 5)
    assert model.objective[2].cap == 3.0
    configuration("ivae", overrides={"noise_dim": 4, "hidden_dims": [7]})
    with pytest.raises(ValueError, match="`noise_dim` must be an int or None"):
        configuration("ivae", overrides={"noise_dim": 0.5})


def test_an_int_will_do_for_a_float(configuration):
    made = configuration(overrides={"learning_rate": 1, "clip_norm": 5})
    setting = made.resolved_setting()
    for value, expected in ((setting.learning_rate, 1.0), (setting.clip_norm, 5.0)):
        assert isinstance(value, float) and value == expected
    assert isinstance(made.resolved_setting().latent_dim, int)
    with pytest.raises(ValueError, match="`learning_rate` must be a float"):
        configuration(overrides={"learning_rate": True})


def test_columns_are_of_files_that_have_some(configuration):
    plain = {"column": "text", "header": True}
    assert configuration().columns("test.txt") == plain
    made = configuration(train="a.csv", valid="b.txt", column="2", header=False)
    assert made.columns("a.csv") == made.columns("t.tsv.gz")
    assert made.columns("a.csv") == {"column": "2", "header": False}
    assert made.columns("b.txt") == {}
    # Refused where it is read: no text has columns.
    assert configuration(column="2").columns("t.txt") == {**plain, "column": "2"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "vaee"}, "Did you mean 'vae'?"),
        ({"setting": "ivea"}, "Did you mean 'ivae'?"),
        ({"tokenizer": "words"}, "Did you mean 'word'?"),
        ({"overrides": {"laten_dim": 3}}, "Did you mean 'latent_dim'?"),
        ({"overrides": {"latent_dim": "big"}}, "`latent_dim` must be an int"),
        ({"overrides": {"bridge_dims": 8}}, r"be a tuple, such as \(64,\) or \(\)\."),
        ({"overrides": {"beta": 0.5}}, "no key to set 'beta'"),
        ({"epochs": 1, "steps": 1}, "not both"),
        ({"freeze": "decodr", "start_from": "x"}, "Did you mean 'decoder'?"),
        ({"freeze": "decoder"}, "Give `start_from`"),
        ({"freeze": "decoder", "word_vectors": "x"}, "Give `start_from`"),
        ({"start_from": "x", "word_vectors": "y"}, "not from both"),
        ({"epochs": 0}, "`epochs` must be positive"),
        ({"batch_size": 0}, "`batch_size` must be positive"),
        ({"patience": 1, "valid": None}, "`patience` watches"),
    ],
)
def test_refuses(fields, message):
    options = {"preset": "vae", "train": "x", "valid": "y", **fields}
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        RunConfiguration(**options)


def test_configurations_are_values(configuration):
    assert configuration() == configuration()
    assert configuration() != dataclasses.replace(configuration(), seed=1)


def test_contexts_are_asked_for_and_limited():
    with pytest.raises(ValueError, match="'cvae' answers contexts.*--context-column"):
        RunConfiguration("cvae", "train.tsv")
    for limit in ({"max_turns": 3}, {"max_context_length": 9}):
        with pytest.raises(ValueError, match="limits contexts.*--context-column"):
            RunConfiguration("vae", "train.tsv", **limit)
        made = RunConfiguration("vae", "train.tsv", context_column="context", **limit)
        assert made.context == ("turns" if "max_turns" in limit else "text")
    assert RunConfiguration("vae", "train.txt").context is None
