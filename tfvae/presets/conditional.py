"""Models that answer a context, and need one."""

from tfvae.objectives import KL, BagOfWords, Reconstruction
from tfvae.presets.builder import as_builder


def seq2seq(setting, data=None):
    """An encoder-decoder without a latent, exact likelihood of the response.

    It is `language_model` with a condition, whose vector is the decoder's memory.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.

    Returns:
        A compiled `LanguageModel` with a condition.

    Raises:
        ValueError: If there is no context or label.

    References:
        Sutskever et al. 2014, Sequence to Sequence Learning with Neural Networks; the
        GRU encoder-decoder of Wu et al. 2020, table 8. The context enters the decoder
        where the setting's code would, but for the place of a word.
    """
    return conditional_builder(setting, data).language_model()


def cvae(setting, data=None, *, bow_weight=0.0):
    """A VAE whose posterior, prior and decoder read a context.

    It is `vae` with a condition; any other preset becomes conditional in the same way.

    Args:
        setting: Name of a paper's setting, a `PaperSetting` or a `ModelBuilder`.
        data: `Batches` of the training text with contexts, or `None`.
        bow_weight: Non-negative float, of the bag-of-words loss on context and code.
            Defaults to `0.0`; Zhao et al. have 1.

    Returns:
        A compiled `VAE` with a condition.

    Raises:
        ValueError: If there is no context or label.

    References:
        Sohn et al. 2015, Learning Structured Output Representation using Deep
        Conditional Generative Models; Zhao et al. 2017, Learning Discourse-level
        Diversity for Neural Dialog Models; as in Wu et al. 2020, section 4.5. There
        the encoders of context and sentence share their embeddings in every setting,
        here where the setting says so.
    """
    builder = conditional_builder(setting, data)
    terms = [Reconstruction(), KL(builder.annealing())]
    if bow_weight:
        terms.append(BagOfWords(bow_weight))
    return builder.vae(terms)


def conditional_builder(setting, data=None):
    """Returns the builder of a preset that needs a condition.

    Raises:
        ValueError: If there is none.
    """
    builder = as_builder(setting, data)
    if not builder.is_conditional:
        raise ValueError(
            "This preset answers a context. Pass `Batches` with contexts "
            "(--context-column), or a `ModelBuilder` with `context` or `num_labels`. "
            "Received: neither contexts nor labels"
        )
    return builder
