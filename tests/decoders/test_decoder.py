import pytest

from tfvae.decoders import Decoder


@pytest.mark.parametrize(
    ("method", "num_arguments"),
    [("hidden", 2), ("initial_state", 1), ("step", 3)],
)
def test_a_decoder_must_implement_its_methods(method, num_arguments):
    with pytest.raises(NotImplementedError, match=f"must implement `{method}`"):
        getattr(Decoder(), method)(*[None] * num_arguments)
