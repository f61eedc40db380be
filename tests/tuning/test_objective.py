import types

import pytest

from tfvae.tuning.objective import Objective


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("val_nelbo", Objective("val_nelbo")),
        ("val_nll", Objective("nll")),
        ("nll - 0.5 * mi", Objective("nll", 0.5)),
        ("nelbo-2mi_loo", Objective("nelbo", 2.0, "mi_loo")),
        ("val_nelbo - 1e-1 mi", Objective("val_nelbo", 0.1)),
    ],
)
def test_parse(text, objective):
    parsed = Objective.parse(text)
    assert parsed == objective
    assert Objective.parse(parsed.name) == parsed
    assert parsed.for_tuner().direction == "min"


@pytest.mark.parametrize(
    "text", ["", "los", "nll + mi", "nll - mi", "nll - -1 * mi", "nll - 1 * kl"]
)
def test_refuses(text):
    with pytest.raises(ValueError, match="`objective` must be"):
        Objective.parse(text)


def test_value():
    figures = {"nll": 30.0, "mi": 4.0, "val_nelbo": 33.0}
    assert Objective.parse("val_nelbo").value(figures) == 33.0
    assert Objective.parse("val_nll").value(figures) == 30.0
    assert Objective.parse("nll - 0.25 * mi").value(figures) == 29.0
    assert not Objective.parse("val_nelbo").is_measured
    assert Objective.parse("nll").is_measured
    assert Objective.parse("val_nelbo - 1 mi").is_measured


def _model(monitor, posterior=True, has_density=True):
    latent = types.SimpleNamespace(has_density=has_density)
    return types.SimpleNamespace(
        monitor=monitor,
        posterior=latent if posterior else None,
        has_density=has_density,
    )


@pytest.mark.parametrize(
    ("text", "model", "message"),
    [
        ("val_nelbo", _model("val_nll", posterior=False), "use 'val_nll'"),
        ("nll - 1 mi", _model("val_nll", posterior=False), "needs a latent"),
        (
            "nll",
            _model("val_reconstruction", has_density=False),
            "use 'val_reconstruction'",
        ),
        (
            "reconstruction - 1 mi",
            _model("val_reconstruction", has_density=False),
            "needs a posterior with a density",
        ),
    ],
)
def test_refuses_models(text, model, message):
    with pytest.raises(ValueError, match=message):
        Objective.parse(text).check(model)


@pytest.mark.parametrize("text", ["val_nelbo", "val_nll", "nll - 1 mi", "kl"])
def test_allows_a_vae(text):
    Objective.parse(text).check(_model("val_nelbo"))


def test_allows_a_language_model():
    Objective.parse("val_nll").check(_model("val_nll", posterior=False))
