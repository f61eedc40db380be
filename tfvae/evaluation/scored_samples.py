"""What a separately trained language model says of sentences."""

import numpy as np

from tfvae.evaluation.likelihood import SentenceScorer, perplexity
from tfvae.kernels.sequences import PAD_ID

_BATCH_SIZE = 64
# Lengths are rounded up to multiples, so that few shapes are traced.
_MULTIPLE = 8


def language_model_perplexity(model, texts, progress=None):
    """Computes the perplexity of texts under a language model.

    Words that its tokenizer does not know are `<unk>`. A sentence without words is
    its `</s>`.

    Args:
        model: `LanguageModel` with a tokenizer.
        texts: List of str.
        progress: Object whose `update(num_sentences_done)` is called, or `None`.

    Returns:
        Dict of `language_model_perplexity` and `num_tokens_language_model`.

    Raises:
        ValueError: If there is no text, or the model has a latent or no tokenizer.
    """
    check_language_model(model)
    if not texts:
        raise ValueError("`texts` must not be empty. Received: no text")
    scorer = SentenceScorer(model, 1, jit_compile=False)
    ids, lengths = model.tokenizer.encode_batch(texts)
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(lengths, kind="stable")
    nats = num_tokens = 0
    for first in range(0, len(order), _BATCH_SIZE):
        chosen = order[first : first + _BATCH_SIZE]
        width = max(-(-int(lengths[chosen].max()) // _MULTIPLE), 1) * _MULTIPLE
        place = np.arange(width)
        inside = place < lengths[chosen, None]
        # Places beyond a sentence are clipped to any that exists, then padded.
        where = np.minimum(starts[chosen, None] + place, max(len(ids) - 1, 0))
        words = ids[where] if len(ids) else np.zeros(where.shape, ids.dtype)
        tokens = np.where(inside, words, PAD_ID).astype(np.int32)
        scores = scorer({"tokens": tokens}, 0)
        nats += float(np.sum(scores.nll, dtype=np.float64))
        num_tokens += int(np.sum(scores.num_tokens))
        if progress is not None:
            progress.update(first + len(chosen))
    return {
        "language_model_perplexity": perplexity(nats, num_tokens),
        "num_tokens_language_model": num_tokens,
    }


def check_language_model(model):
    """Refuses a model whose likelihood is not exact, or that cannot read text.

    Raises:
        ValueError: If the model has a latent or no tokenizer.
    """
    if model.posterior is not None or model.tokenizer is None:
        raise ValueError(
            "`language_model` must be a `LanguageModel` with a tokenizer, whose "
            "likelihood is exact. Train one by the preset `language_model`. Received: "
            f"{type(model).__name__}, tokenizer={model.tokenizer}"
        )
