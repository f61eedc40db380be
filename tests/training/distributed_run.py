"""One process of a distributed run, for the tests: presets one after the other."""

import json
import os
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfvae.training import RunConfiguration, train  # noqa: E402


class Die(keras.callbacks.Callback):
    """Ends the process at once in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == 7:
            os._exit(9)


class Keep(keras.callbacks.Callback):
    """Writes this worker's weights at the end."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_end(self, logs=None):
        np.savez(self.path, *[weight.numpy() for weight in self.model.weights])


def main(options):
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "__array__ implementation")
    if options["strategy"] == "mirrored":
        device = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(device, halves)
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {"index": 0})
    for name, fields in options["configurations"].items():
        keep = Keep(os.path.join(options["out"], f"{name}-{task['index']}.npz"))
        train(
            RunConfiguration(**fields),
            os.path.join(options["out"], name),
            resume=options["resume"],
            strategy=options["strategy"],
            verbose=0,
            callbacks=[keep, Die()] if options["die"] else [keep],
        )


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"refused: {error}")
