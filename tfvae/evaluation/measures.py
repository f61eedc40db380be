"""Groups of measures, one at a time or together."""

import dataclasses
import typing

from tfvae.evaluation import dynamics, text_figures
from tfvae.evaluation.figures import FIGURES, Figure, format_table
from tfvae.evaluation.generation import generation_quality
from tfvae.evaluation.likelihood import SentenceScorer
from tfvae.evaluation.ngram import NgramModel
from tfvae.evaluation.reconstruction import reconstruction_quality
from tfvae.evaluation.space import SPACE_FIGURES, space_figures
from tfvae.evaluation.suite import evaluate

# Prefixes of keys from `evaluate`.
_OF_LATENT = (
    *("mi", "marginal_kl", "active_units", "latent_dim"),
    *("critic_mi", "critic_marginal_kl"),
)
_OF_LIKELIHOOD = (
    *("reconstruction", "kl", "nelbo", "nll", "perplexity"),
    *("critic_elbo", "critic_kl"),
)


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be measured, and how.

    Attributes:
        batches: Finite iterable of dicts, `"tokens"` int `[B, T]` among them, that can
            be read again, such as a `tf.data.Dataset`.
        num_batches: Int, for progress, or `None`.
        texts: Callable that returns a fresh iterator of str, the sentences of
            `batches`; for generation.
        train_texts: Callable that returns a fresh iterator of str; for generation.
        num_samples: Int, posterior samples a sentence for the likelihood.
        num_reconstructions: Int, posterior samples a sentence that are written again.
        num_generated: Positive int, sentences drawn.
        language_model: `LanguageModel` that scores them, or `None`.
        ngram_model: `NgramModel` or `KenlmModel`.
        seed: Int, of everything.
        progress: Callable of a total and a unit's name that returns an object with
            `update(num_done)`, such as `keras.utils.Progbar`; or `None`.
    """

    batches: typing.Any
    num_batches: int | None = None
    texts: typing.Callable | None = None
    train_texts: typing.Callable | None = None
    num_samples: int = 100
    num_reconstructions: int = 10
    num_generated: int = 100_000
    language_model: typing.Any = None
    ngram_model: type = NgramModel
    seed: int = 0
    progress: typing.Callable | None = None

    def bar(self):
        """Gives an object with `update(num_batches_done)`, or `None`."""
        return self.progress and self.progress(self.num_batches, "batch")


class Group(typing.NamedTuple):
    """A group of measures.

    Attributes:
        measure: Function of a model and a `Request` that returns a dict which JSON can
            hold.
        undefined: Function of a model that says in a sentence why the group is not
            defined for it, or returns `None`.
    """

    measure: typing.Callable
    undefined: typing.Callable


def measure(model, batches, groups=None, **options):
    """Measures a model by groups of figures; `MEASURE_FIGURES` says what each means.

    Args:
        model: `VAE` or `LanguageModel`.
        batches: See `Request`.
        groups: Names of `GROUPS`; `"all"` for those that are defined for the model;
            `None` for what `evaluate` gives, likelihood and latent where defined.
        **options: The other fields of `Request`.

    Returns:
        Dict that JSON can hold. `"notes"`, a list of sentences, says what is left out.

    Raises:
        ValueError: If a group is unknown or not defined for the model, or it lacks
            the texts that it needs.
    """
    request = Request(batches, **options)
    if groups is None:
        return _both(model, request)
    chosen, notes = _choose(model, groups)
    if "generation" in chosen:
        _check_texts(request)
    measures = {name: GROUPS[name].measure for name in chosen}
    if "likelihood" in measures and "latent" in measures:
        # One pass gives both.
        measures["likelihood"] = _both
        del measures["latent"]
    result = {}
    for take in measures.values():
        figures = take(model, request)
        notes += figures.pop("notes", [])
        result.update(figures)
    if notes:
        result["notes"] = notes
    return result


def check_groups(names):
    """Gives the names without repetition.

    Raises:
        ValueError: If there is none, or one is unknown.
    """
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise ValueError(
            f"Groups of measures must be some of {', '.join(GROUPS)}, or all. "
            f"Received: {', '.join(unknown) or 'none'}"
        )
    return list(dict.fromkeys(names))


def format_measures(result):
    """Lays out the result of `measure` as text; see `format_table`."""
    return format_table(result, MEASURE_FIGURES)


def _choose(model, groups):
    """Gives the groups to measure and notes on those left out."""
    chosen, notes = [], []
    for name in GROUPS if groups == "all" else check_groups(groups):
        reason = GROUPS[name].undefined(model)
        if not reason:
            chosen.append(name)
            continue
        note = f"There is no {name} to measure. {reason}"
        if groups != "all":
            raise ValueError(note)
        notes.append(note)
    return chosen, notes


def _both(model, request, **options):
    settings = {"num_samples": request.num_samples, **options}
    return evaluate(
        model, request.batches, seed=request.seed, progress=request.bar(), **settings
    )


def _likelihood(model, request):
    return _without(_both(model, request, mi_samples=0), _OF_LATENT)


def _latent(model, request):
    result = _without(_both(model, request, num_samples=0), _OF_LIKELIHOOD)
    # They tell of the likelihood, which was not asked for.
    result.pop("notes", None)
    return result


def _without(figures, prefixes):
    return {k: value for k, value in figures.items() if not k.startswith(prefixes)}


def _reconstruction(model, request):
    return reconstruction_quality(
        model,
        request.batches,
        num_samples=request.num_reconstructions,
        seed=request.seed,
        progress=request.bar(),
    )


def _generation(model, request):
    return generation_quality(
        model,
        request.train_texts,
        request.texts,
        num_generated=request.num_generated,
        language_model=request.language_model,
        ngram_model=request.ngram_model,
        seed=request.seed,
        progress=request.progress,
    )


def _dynamics(model, request):
    return dynamics.training_dynamics(model, request.batches, seed=request.seed)


def _space(model, request):
    return space_figures(
        model, request.batches, seed=request.seed, progress=request.bar()
    )


def _check_texts(request):
    if request.texts is None or request.train_texts is None:
        raise ValueError(
            "Generation needs `texts` and `train_texts`, callables that return fresh "
            f"iterators of str. Received: texts={request.texts}, "
            f"train_texts={request.train_texts}"
        )


def _no_likelihood(model):
    if SentenceScorer(model, 1).nll_method is None:
        return (
            f"The posterior `{type(model.posterior).__name__}` or the prior "
            f"`{type(model.prior).__name__}` has no density."
        )
    return None


def _no_latent(model):
    if model.posterior is None:
        return f"A {type(model).__name__} has no latent; use a VAE."
    return None


def _no_tokenizer(model):
    if model.tokenizer is None:
        return "The model has no tokenizer to write text with."
    return None


GROUPS = {
    "likelihood": Group(_likelihood, _no_likelihood),
    "latent": Group(_latent, _no_latent),
    "space": Group(_space, _no_latent),
    "reconstruction": Group(_reconstruction, _no_latent),
    "generation": Group(_generation, _no_tokenizer),
    "dynamics": Group(_dynamics, _no_latent),
}

MEASURE_FIGURES = {
    **FIGURES,
    **SPACE_FIGURES,
    **text_figures.RECONSTRUCTION_FIGURES,
    **text_figures.GENERATION_FIGURES,
    **{key: Figure(key, "", text) for key, text in dynamics.DEFINITIONS.items()},
}
