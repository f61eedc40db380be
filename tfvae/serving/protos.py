"""The messages of TF Serving, from the package that publishes them."""

import importlib
import types

_MESSAGES = {
    "predict_pb2": "PredictRequest",
    "prediction_log_pb2": "PredictionLog",
    "prediction_service_pb2_grpc": "PredictionServiceStub",
}


def import_protos(purpose):
    """Imports the messages.

    Args:
        purpose: Str, what they are needed for.

    Returns:
        Namespace with `PredictRequest`, `PredictionLog`, `PredictionServiceStub`.

    Raises:
        ValueError: If `tensorflow-serving-api` is not installed.
    """
    try:
        found = {
            name: getattr(
                importlib.import_module(f"tensorflow_serving.apis.{file}"), name
            )
            for file, name in _MESSAGES.items()
        }
    except ModuleNotFoundError as error:
        raise ValueError(
            f"The package tensorflow-serving-api is needed for {purpose}. Install it "
            f"by `pip install 'tfvae[serving]'`. Received: {error}"
        ) from None
    return types.SimpleNamespace(**found)
