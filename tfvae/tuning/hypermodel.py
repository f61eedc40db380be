"""Any preset as a KerasTuner hypermodel."""

import dataclasses

import keras
import keras_tuner

from tfvae.checks import require
from tfvae.evaluation.evaluate import evaluate, why_undefined
from tfvae.training import load_model
from tfvae.training.callbacks import StopAtStep
from tfvae.training.initial_weights import begin
from tfvae.tuning.search_space import Objective, parse_search


class TextHyperModel(keras_tuner.HyperModel):
    """Builds and trains the model of a configuration with searched options.

    The seed of the configuration is set for each trial, so the metrics of a trial are
    those of `tfvae train` with the same options.

    Args:
        configuration: `RunConfiguration` with a validation text; options that it
            overrides stay fixed.
        search: List of str as in `parse_search`, or `None` for the preset's weights.
        objective: Str as in `Objective.parse`; a validation metric also chooses the
            best epoch of each trial. `None`, the default, for `"val_loss"`, and the
            epoch that the preset's `monitor` chooses.
        num_samples: Positive int, posterior samples per sentence where the objective is
            measured after training. Defaults to `10`.
        grid: Whether a declared range is searched at the values of its grid.

    Attributes:
        spaces: Dict from option name to `Range` or `Choices`.

    Raises:
        ValueError: If there is no validation text, or the search or the objective is
            refused.

    Example:
    A search in a script of one's own. Best epochs and weights are kept by KerasTuner;
    where the objective is measured after training, those of the last epoch.

    ```python
    import keras_tuner
    from tfvae.training import RunConfiguration
    from tfvae.tuning import TextHyperModel

    configuration = RunConfiguration(
        "beta_vae", train="train.txt", valid="valid.txt", epochs=5
    )
    hypermodel = TextHyperModel(configuration, ["beta=0.2:1.0", "latent_dim=8,16"])
    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective=hypermodel.objective.for_tuner(),
        max_trials=6,
        directory="sweeps",
        project_name="beta",
    )
    tuner.search(verbose=2)
    print(tuner.get_best_hyperparameters()[0].values)
    model = tuner.get_best_models()[0]
    ```
    """

    def __init__(
        self,
        configuration,
        search=None,
        objective=None,
        *,
        num_samples=10,
        grid=False,
    ):
        super().__init__(name=configuration.preset)
        if configuration.valid is None:
            raise ValueError(
                "A search compares trials on a validation text. Give `valid`. "
                "Received: valid=None"
            )
        require("num_samples", num_samples, num_samples >= 1, "positive")
        self.objective = Objective.parse("val_loss" if objective is None else objective)
        if objective is not None and self.objective.base.startswith("val_"):
            configuration = dataclasses.replace(
                configuration, monitor=self.objective.base
            )
        self.configuration = configuration
        self.spaces = parse_search(search, configuration)
        self.num_samples = num_samples
        self.grid = grid

    def declare_hyperparameters(self, hp):
        """Declares what is searched to KerasTuner."""
        for name, space in self.spaces.items():
            space.declare(hp, name, self.grid)

    def configuration_for(self, hp):
        """Returns the configuration of a trial, with Hyperband's number of epochs.

        Args:
            hp: `keras_tuner.HyperParameters` with a value for all that is searched.
        """
        values = {n: space.exact(hp.get(n)) for n, space in self.spaces.items()}
        epochs = hp.values.get("tuner/epochs")
        length = {"epochs": epochs, "steps": None} if epochs else {}
        overrides = {**self.configuration.overrides, **values}
        return dataclasses.replace(self.configuration, overrides=overrides, **length)

    def build(self, hp):
        """Assembles the compiled model of a trial, with what it begins with."""
        self.declare_hyperparameters(hp)
        configuration = self.configuration_for(hp)
        keras.utils.set_random_seed(configuration.seed)
        start = configuration.start_from
        source = None if start is None else load_model(start)
        batches = configuration.training_batches(source and source.tokenizer)
        # Hyperband changes how long a trial is, not the schedules.
        whole = dataclasses.replace(
            configuration,
            epochs=self.configuration.epochs,
            steps=self.configuration.steps,
        )
        model = whole.make_model(batches.tokenizer, len(batches))
        begin(model, whole, source, len(batches))
        return model

    def fit(
        self, hp, model, *, callbacks=(), epochs=None, initial_epoch=0, verbose="auto"
    ):
        """Trains the model of a trial.

        Args:
            hp: `keras_tuner.HyperParameters`.
            model: What `build` made.
            callbacks: Keras callbacks, KerasTuner's among them.
            epochs: Int, or `None` for the configuration's length.
            initial_epoch: Int, epochs that the model has been trained already.
            verbose: As in `keras.Model.fit`.

        Returns:
            The Keras history, or a dict of metrics where the objective is measured
            after training.
        """
        self.objective.check(model)
        configuration = self.configuration_for(hp)
        setting = configuration.resolved_setting()
        batches = configuration.training_batches(model.tokenizer)
        total_steps = configuration.builder(model.tokenizer, len(batches)).num_steps
        watched = {"monitor": model.monitor, "mode": "min", "min_delta": 0.0}
        more = [] if epochs else [StopAtStep(total_steps)]
        if configuration.patience:
            stop = keras.callbacks.EarlyStopping(
                patience=configuration.patience, **watched
            )
            more.append(stop)
        if setting.decay == "plateau":
            more.append(
                keras.callbacks.ReduceLROnPlateau(
                    factor=0.5, patience=setting.decay_patience, min_lr=0.0, **watched
                )
            )
        history = model.fit(
            batches,
            validation_data=configuration.validation_batches(model.tokenizer),
            initial_epoch=initial_epoch,
            epochs=epochs or -(-total_steps // len(batches)),
            verbose=verbose,
            callbacks=[*more, *callbacks],
        )
        if not self.objective.is_measured:
            return history
        metrics = measure(model, configuration, self.num_samples)
        return {self.objective.name: self.objective.value(metrics)}


def measure(model, configuration, num_samples):
    """Evaluates a model on the validation text of its configuration.

    Transfers of style are measured too where the model makes them, that is reads
    labels, and classifiers of the extra `measures` are there.

    Args:
        model: `VAE` or `LanguageModel`.
        configuration: `RunConfiguration`.
        num_samples: Positive int, posterior samples per sentence.

    Returns:
        Dict as of `tfvae.evaluation.evaluate`.
    """
    batches = configuration.validation_batches(model.tokenizer)
    seed = configuration.seed
    metrics = evaluate(model, batches, num_samples=num_samples, seed=seed)
    rows = configuration.training_rows
    if not why_undefined(model, "transfer", batches, rows):
        metrics |= evaluate(
            model, batches, groups=["transfer"], train_texts=rows, seed=seed
        )
    return metrics
