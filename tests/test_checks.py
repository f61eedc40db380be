"""What is refused is named, with what it must be or how it is installed."""

import pytest

from tfvae.checks import require, require_extra, require_one_of, unknown


def test_names_the_argument_and_what_it_must_be():
    require("num", 1, True, "positive")
    with pytest.raises(ValueError, match="^`num` must be positive. Received: num=0$"):
        require("num", 0, False, "positive")


def test_names_what_is_allowed():
    require_one_of("kind", "a", ("a", "b"))
    with pytest.raises(ValueError) as caught:
        require_one_of("kind", "c", ("a", "b"))
    assert str(caught.value) == "`kind` must be one of ('a', 'b'). Received: kind='c'"


def test_names_the_nearest_name():
    known = {"vae": 1, "dae": 2}
    assert unknown("preset", "vaee", known) == (
        "There is no preset 'vaee'. Did you mean 'vae'? Known: dae, vae."
    )
    assert (
        unknown("preset", "zzz", known) == "There is no preset 'zzz'. Known: dae, vae."
    )


def test_names_the_package_and_the_command():
    with pytest.raises(ValueError) as caught:
        require_extra("report", "A report", "json", "no_such_package.part")
    message = str(caught.value)
    assert message.startswith("A report needs no_such_package. Install it by ")
    assert "`pip install 'tfvae[report]'`" in message
    assert "No module named 'no_such_package'" in message


def test_says_nothing_where_all_is_there():
    assert require_extra("report", "A report", "json", "os.path") is None
