import pytest

from tfvae.training import Recipe
from tfvae.tuning.search import parse_search
from tfvae.tuning.space import SPACES, Choices, Range


def _parse(*words, preset="copula_vae", **overrides):
    recipe = Recipe(preset, train="train.txt", overrides=overrides)
    return parse_search(words, recipe)


def test_values_and_ranges():
    assert _parse("copula_weight=0,0.1,0.4") == {
        "copula_weight": Choices((0.0, 0.1, 0.4))
    }
    assert _parse("copula_weight=0:1") == {"copula_weight": Range(0.0, 1.0)}
    assert _parse("latent_dim=8:64:log") == {"latent_dim": Range(8, 64, True)}
    assert _parse("cell=lstm,gru") == {"cell": Choices(("lstm", "gru"))}
    assert _parse("share_embedding=True,False") == {
        "share_embedding": Choices((True, False))
    }


def test_numbers_take_the_options_type():
    (space,) = _parse("learning_rate=1:2").values()
    assert isinstance(space.low, float)
    (space,) = _parse("latent_dim=8,16").values()
    assert all(isinstance(value, int) for value in space.values)


def test_names_alone():
    assert _parse("copula_weight") == {"copula_weight": SPACES["copula_weight"]}
    assert list(_parse("latent_dim", "copula_weight")) == [
        "latent_dim",
        "copula_weight",
    ]


def test_nothing_named():
    assert _parse() == {"copula_weight": SPACES["copula_weight"]}
    assert list(_parse(preset="info_vae", alpha=0.5)) == ["mmd_weight"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("copula_wieght=1,2", "Did you mean 'copula_weight'"),
        ("learning_rate", "no range for 'learning_rate'.*learning_rate=1:4"),
        ("copula_weight=0:", "LOW:HIGH"),
        ("copula_weight=0:1:2", "LOW:HIGH"),
        ("copula_weight=0:1:log:3", "LOW:HIGH"),
        ("copula_weight=a:b", "LOW:HIGH"),
        ("copula_weight=1:0", "lower end first"),
        ("copula_weight=0:1:log", "must be positive"),
        ("copula_weight=0,a", "all numbers"),
        ("copula_weight=0.1,0.1", "differ"),
        ("copula_weight=", "must be a float"),
        ("latent_dim=0.5:3", "must be an int"),
        ("share_embedding=1,2", "must be a bool"),
        ("setting=copula", "no key to search 'setting'"),
    ],
)
def test_refuses(word, message):
    with pytest.raises(ValueError, match=message):
        _parse(word)


def test_refuses_a_key_twice():
    with pytest.raises(ValueError, match="given twice"):
        _parse("latent_dim=1,2", "latent_dim=3,4")
    with pytest.raises(ValueError, match="fixed by --set"):
        _parse("latent_dim=1,2", latent_dim=4)
    with pytest.raises(ValueError, match="nothing is left"):
        _parse(copula_weight=0.1)
