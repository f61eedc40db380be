import pytest

from tfvae.encoders import Encoder


def test_an_encoder_must_implement_call(tokens):
    with pytest.raises(NotImplementedError, match="must implement `call`"):
        Encoder().call(tokens)
