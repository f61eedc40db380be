import os

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog


def test_every_request_can_be_answered(exported, signatures):
    path = os.path.join(exported, "assets.extra", "tf_serving_warmup_requests")
    replayed = []
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        name = request.model_spec.signature_name
        answer = signatures[name](**inputs)
        assert all(value.shape[0] == 1 for value in answer.values())
        if "lengths" in answer:
            assert answer["lengths"].numpy()[0] > 0
        replayed.append(name)
    assert sorted(replayed) == sorted(signatures)
