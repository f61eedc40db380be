"""Requests that a server replays when it loads an export."""

import os

import numpy as np
import tensorflow as tf

_PATH = os.path.join("assets.extra", "tf_serving_warmup_requests")


def write_warmup(folder, name, signatures, default, examples):
    """Writes one request of one row for each signature and for the default one.

    The first request of a signature initializes what TensorFlow leaves until then;
    with these it is not a client's.

    Args:
        folder: Path of the version's folder.
        name: Str, the model's name.
        signatures: Dict of `Signature`s.
        default: Str, the name that `serving_default` stands for.
        examples: Dict of values by input name; an input that is not there gets zeros
            or an empty text.

    Raises:
        ValueError: If the protos are not installed.
    """
    from tfvae.serving.protos import import_protos

    protos = import_protos("warm-up requests (or do without: --no-warmup)")
    path = os.path.join(folder, _PATH)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for key in ("serving_default", *signatures):
            signature = signatures[default if key == "serving_default" else key]
            request = protos.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = key
            for input_name, spec in signature.inputs.items():
                value = _example(spec, examples.get(input_name))
                proto = tf.make_tensor_proto(value, spec.dtype)
                request.inputs[input_name].CopyFrom(proto)
            log = protos.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def _example(spec, value):
    if value is not None:
        return value
    shape = [1 if size is None else size for size in spec.shape]
    if spec.dtype == tf.string:
        return np.full(shape, b"", object)
    return np.zeros(shape, spec.dtype.as_numpy_dtype)
