"""One process of a distributed run, for the tests: presets one after the other."""

import json
import os
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfvae.training import Recipe, train  # noqa: E402


class Die(keras.callbacks.Callback):
    """Ends the process at once in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == 7:
            os._exit(9)


def main(options):
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "__array__ implementation")
    if options["strategy"] == "mirrored":
        device = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(device, halves)
    callbacks = [Die()] if options["die"] else []
    for name, fields in options["recipes"].items():
        train(
            Recipe(**fields),
            os.path.join(options["out"], name),
            resume=options["resume"],
            strategy=options["strategy"],
            verbose=0,
            callbacks=callbacks,
        )


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except ValueError as error:
        sys.exit(f"refused: {error}")
