"""Sentences in, the same sentences with another label out."""

import tensorflow as tf

from tfvae.models import inference
from tfvae.models.inputs import as_texts, require_tokenizer, tokenize
from tfvae.models.writing import require_latent, texts_of
from tfvae.samplers import get_sampler
from tfvae.seeds import as_seed, fold_in


def transfer(model, texts, labels, sampler, max_length, max_read, seed, batch_size):
    """Writes sentences again with other labels; see `VAE.transfer`."""
    tokenizer = require_tokenizer(model)
    require_transfer(model)
    texts = as_texts(texts)
    if isinstance(labels, (str, int)):
        labels = [labels] * len(texts)
    numbers = [model.label_number(label) for label in labels]
    if len(numbers) != len(texts):
        raise ValueError(
            "`labels` must be one for all sentences, or one for each. Received: "
            f"{len(numbers)} labels, {len(texts)} sentences"
        )
    sampler, written = get_sampler(sampler), []

    def write(tokens, label, seed):
        params = model.posterior(model.encoder(tokens))
        context = inference.encode_condition(model, {"label": label}, seed)
        memory = model.memory(model.posterior.mode(params)[None], context)[0]
        return sampler(model.decoder, memory, max_length, seed)

    run = model.compiled_function(
        ("transfer", sampler.key, max_length),
        write,
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([2], tf.int32),
    )
    for start in range(0, len(texts), batch_size):
        chunk = slice(start, start + batch_size)
        tokens = tokenize(model, texts[chunk], max_read or max_length)["tokens"]
        label = tf.constant(numbers[chunk], tf.int32)
        ids = run(tokens, label, fold_in(as_seed(seed), start)).numpy()
        written += texts_of(tokenizer, ids)
    return written


def can_transfer(model):
    """Returns whether a model can write a sentence with another label."""
    return (
        model.posterior is not None
        and model.requires == ("label",)
        and model.label_names is not None
        and "posterior" not in model.context_to
    )


def require_transfer(model):
    """Refuses a model that cannot write a sentence with another label.

    Raises:
        ValueError: If it has no latent, reads no label, reads contexts, or its
            posterior reads the label.
    """
    require_latent(model)
    if can_transfer(model):
        return
    if model.requires != ("label",) or model.label_names is None:
        read = " and ".join(model.requires) or "nothing"
        raise ValueError(
            f"This {type(model).__name__} reads {read} beside the sentence, and "
            "transfer takes one that reads a label. Train a preset such as "
            "`arae` with --label-column."
        )
    raise ValueError(
        "The posterior of this model reads the label, so that codes are of a "
        "sentence with its own. Train a preset of style transfer, such as "
        "`vae_transfer`, or build it with `context_to=('bridge',)`."
    )
