"""Any preset as a KerasTuner hypermodel."""

import dataclasses

import keras
import keras_tuner

from tfvae.evaluation import evaluate
from tfvae.text import read_texts
from tfvae.training.callbacks import StopAtStep
from tfvae.training.train import batches_of
from tfvae.tuning.objective import Objective
from tfvae.tuning.search import parse_search


class TextHyperModel(keras_tuner.HyperModel):
    """Builds and trains the model of a recipe with searched options.

    The seed of the recipe is set for each trial, so a trial gives the figures of
    `tfvae train` with the same options.

    Args:
        recipe: `Recipe` with a validation text; options that it overrides stay fixed.
        search: List of str as in `parse_search`, or `None` for the preset's weights.
        objective: Str as in `Objective.parse`. Defaults to `"val_nelbo"`.
        num_samples: Positive int, posterior samples a sentence where the objective is
            measured after training. Defaults to `10`.
        grid: Whether declared ranges stand for the values of their grid.

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
    from tfvae.training import Recipe
    from tfvae.tuning import TextHyperModel

    recipe = Recipe("beta_vae", train="train.txt", valid="valid.txt", epochs=5)
    hypermodel = TextHyperModel(recipe, search=["beta=0.2:1.0", "latent_dim=8,16"])
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
        self, recipe, search=None, objective="val_nelbo", *, num_samples=10, grid=False
    ):
        super().__init__(name=recipe.preset)
        if recipe.valid is None:
            raise ValueError(
                "A search compares trials on a validation text. Give `valid`. "
                "Received: valid=None"
            )
        if num_samples < 1:
            raise ValueError(
                f"`num_samples` must be positive. Received: num_samples={num_samples}"
            )
        self.recipe = recipe
        self.spaces = parse_search(search, recipe)
        self.objective = Objective.parse(objective)
        self.num_samples = num_samples
        self.grid = grid

    def declare_hyperparameters(self, hp):
        """Declares what is searched."""
        for name, space in self.spaces.items():
            space.declare(hp, name, self.grid)

    def recipe_for(self, hp):
        """Gives the recipe of a trial, the number of epochs by Hyperband included.

        Args:
            hp: `keras_tuner.HyperParameters` with a value for all that is searched.
        """
        values = {n: space.exact(hp.get(n)) for n, space in self.spaces.items()}
        epochs = hp.values.get("tuner/epochs")
        length = {"epochs": epochs, "steps": None} if epochs else {}
        overrides = {**self.recipe.overrides, **values}
        return dataclasses.replace(self.recipe, overrides=overrides, **length)

    def build(self, hp):
        """Learns the vocabulary and assembles the compiled model of a trial."""
        self.declare_hyperparameters(hp)
        recipe = self.recipe_for(hp)
        keras.utils.set_random_seed(recipe.seed)
        tokenizer = recipe.make_tokenizer()
        tokenizer.adapt(_read(recipe.train, recipe)())
        batches = batches_of(_read(recipe.train, recipe), tokenizer, recipe)
        # Hyperband changes how long a trial is, not the schedules.
        return self._whole(recipe).make_model(tokenizer, batches.num_batches())

    def fit(
        self, hp, model, *, callbacks=(), epochs=None, initial_epoch=0, verbose="auto"
    ):
        """Trains the model of a trial.

        Args:
            hp: `keras_tuner.HyperParameters`.
            model: What `build` made.
            callbacks: Keras callbacks, KerasTuner's among them.
            epochs: Int, or `None` for the recipe's length.
            initial_epoch: Int, epochs that the model has been trained already.
            verbose: As in `keras.Model.fit`.

        Returns:
            The Keras history, or a dict of figures where the objective is measured
            after training.
        """
        self.objective.check(model)
        recipe = self.recipe_for(hp)
        setting = recipe.resolved_setting()
        batches = batches_of(_read(recipe.train, recipe), model.tokenizer, recipe)
        validation = validation_of(recipe, model.tokenizer)
        steps_per_epoch = batches.num_batches()
        total_steps = recipe.total_steps(steps_per_epoch)
        watched = {"monitor": model.monitor, "mode": "min", "min_delta": 0.0}
        more = [] if epochs else [StopAtStep(total_steps)]
        if recipe.patience:
            stop = keras.callbacks.EarlyStopping(patience=recipe.patience, **watched)
            more.append(stop)
        if setting.decay == "plateau":
            more.append(
                keras.callbacks.ReduceLROnPlateau(
                    factor=0.5, patience=setting.decay_patience, min_lr=0.0, **watched
                )
            )
        history = model.fit(
            batches.repeated(initial_epoch),
            validation_data=validation.dataset(),
            steps_per_epoch=steps_per_epoch,
            initial_epoch=initial_epoch,
            epochs=epochs or -(-total_steps // steps_per_epoch),
            shuffle=False,
            verbose=verbose,
            callbacks=[*more, *callbacks],
        )
        if not self.objective.is_measured:
            return history
        figures = measure(model, recipe, self.num_samples)
        return {self.objective.name: self.objective.value(figures)}

    def _whole(self, recipe):
        length = {"epochs": self.recipe.epochs, "steps": self.recipe.steps}
        return dataclasses.replace(recipe, **length)


def measure(model, recipe, num_samples):
    """Evaluates a model on the validation text of its recipe.

    Args:
        model: `VAE` or `LanguageModel`.
        recipe: `Recipe`.
        num_samples: Positive int, posterior samples a sentence.

    Returns:
        Dict as of `tfvae.evaluation.evaluate`.
    """
    batches = validation_of(recipe, model.tokenizer)
    return evaluate(model, batches.dataset(), num_samples=num_samples, seed=recipe.seed)


def validation_of(recipe, tokenizer):
    """Makes the validation batches of a recipe."""
    reader = _read(recipe.valid, recipe)
    return batches_of(reader, tokenizer, recipe, shuffle=False)


def _read(path, recipe):
    return lambda: read_texts(path, recipe.column)
