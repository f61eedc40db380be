"""A missing extra is named with the command that brings it."""

import pytest

from tfvae.checks import require_extra


def test_names_the_package_and_the_command():
    with pytest.raises(ValueError) as caught:
        require_extra("report", "A report", "json", "no_such_package.part")
    message = str(caught.value)
    assert message.startswith("A report needs no_such_package. Install it by ")
    assert "`pip install 'tfvae[report]'`" in message
    assert "No module named 'no_such_package'" in message


def test_says_nothing_where_all_is_there():
    assert require_extra("report", "A report", "json", "os.path") is None
