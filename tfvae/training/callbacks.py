"""Keras callbacks for runs that can be interrupted."""

import json
import os

import keras

from tfvae.training.run_folder import save_model


class StopAtStep(keras.callbacks.Callback):
    """Ends training after a number of the model's own steps.

    Args:
        num_steps: Positive int.
    """

    def __init__(self, num_steps):
        super().__init__()
        self.num_steps = num_steps

    def on_train_batch_end(self, batch, logs=None):
        """Stops at the last step."""
        # Not a count of batches: a pattern may train before the model's step 0.
        if int(self.model.step.numpy()) >= self.num_steps:
            self.model.stop_training = True


class Checkpoint(keras.callbacks.Callback):
    """Saves the best and the last model and what resuming needs; may stop early.

    After each epoch: the last model with its optimizer, then the best one by the
    model's `monitor` (the last one without validation, or while a training pattern is
    in a phase whose figures do not count), then `state.json`. A run killed in between
    continues from the epoch before.

    Args:
        folder: `RunFolder`.
        patience: Epochs without a better figure before training stops, or `None`.
        decay_patience: Epochs without one before the learning rate is halved, or
            `None`.
        state: Dict from `RunFolder.load_state`, or `None` for a new run.
    """

    def __init__(self, folder, patience=None, decay_patience=None, state=None):
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.decay_patience = decay_patience
        self.state = state or {
            "epoch": 0,
            "best": None,
            "best_epoch": None,
            "waited": 0,
            "waited_for_decay": 0,
            "stopped": False,
            "finished": False,
        }

    def on_epoch_end(self, epoch, logs=None):
        """Updates the counters and saves."""
        state = self.state
        pattern = self.model.pattern
        value = None
        if pattern is None or pattern.is_settled:
            value = (logs or {}).get(self.model.monitor)
        better = value is None or state["best"] is None or value < state["best"]
        state["epoch"] = epoch + 1
        if better:
            state.update(best=value and float(value), best_epoch=epoch + 1)
            state.update(waited=0, waited_for_decay=0)
        else:
            state["waited"] += 1
            state["waited_for_decay"] += 1
        if self.decay_patience and state["waited_for_decay"] >= self.decay_patience:
            rate = self.model.optimizer.learning_rate
            rate.assign(rate * 0.5)
            state["waited_for_decay"] = 0
        if self.patience and state["waited"] >= self.patience:
            state["stopped"] = True
            self.model.stop_training = True
        save_model(self.model, self.folder.last)
        if better:
            save_model(self.model, self.folder.model)
        self.save_state()

    def save_state(self):
        """Writes the counters beside their file and moves them there."""
        beside = self.folder.state + ".partial"
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(self.state, file, indent=2)
        os.replace(beside, self.folder.state)
