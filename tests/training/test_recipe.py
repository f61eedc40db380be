import dataclasses

import pytest

from tfvae.training import Recipe


def test_comes_back_from_its_file(tmp_path, recipe):
    made = recipe("beta_vae", overrides={"beta": 0.5}, patience=2, seed=7)
    made.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == made


def test_tuples_survive_the_file(tmp_path, recipe):
    made = recipe(overrides={"bridge_dims": (4, 5)})
    made.save(tmp_path / "recipe.json")
    loaded = Recipe.load(tmp_path / "recipe.json")
    assert loaded == made
    assert loaded.resolved_setting().bridge_dims == (4, 5)


def test_overrides_go_to_preset_and_setting(recipe):
    made = recipe("beta_vae", overrides={"beta": 0.25, "learning_rate": 0.5})
    assert made.resolved_setting().learning_rate == 0.5
    assert made.resolved_setting().latent_dim == 3
    tokenizer = made.make_tokenizer()
    tokenizer.adapt(["a b c"])
    model = made.make_model(tokenizer, 5)
    assert model.objective[1].weight.final == 0.25
    assert float(model.optimizer.learning_rate) == 0.5


def test_length_of_training(recipe):
    assert recipe(epochs=3).total_steps(10) == 30
    assert recipe(epochs=None, steps=17).total_steps(10) == 17
    # The settings' own: 40 epochs, 60000 steps.
    assert recipe(epochs=None).total_steps(10) == 400
    assert recipe(epochs=None, setting="coupled").total_steps(10) == 60000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"preset": "vea"}, "Did you mean 'vae'?"),
        ({"setting": "ivea"}, "Did you mean 'ivae'?"),
        ({"tokenizer": "words"}, "Did you mean 'word'?"),
        ({"overrides": {"laten_dim": 3}}, "Did you mean 'latent_dim'?"),
        ({"overrides": {"latent_dim": "big"}}, "`latent_dim` must be an int"),
        ({"overrides": {"beta": 0.5}}, "no key to set 'beta'"),
        ({"epochs": 1, "steps": 1}, "not both"),
        ({"epochs": 0}, "`epochs` must be positive"),
        ({"batch_size": 0}, "`batch_size` must be positive"),
        ({"patience": 1, "valid": None}, "`patience` watches"),
    ],
)
def test_refuses(fields, message):
    options = {"preset": "vae", "train": "x", "valid": "y", **fields}
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        Recipe(**options)


def test_recipes_are_values(recipe):
    assert recipe() == recipe()
    assert recipe() != dataclasses.replace(recipe(), seed=1)
