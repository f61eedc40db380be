"""What a run begins with in place of random weights."""

from tfvae.text import read_word_vectors

_PARTS = ("encoder", "condition", "posterior", "prior", "bridge", "decoder")


def begin(model, configuration, source, steps_per_epoch):
    """Gives a new model what it begins with, and freezes a part where asked.

    Args:
        model: Compiled model that `configuration` makes.
        configuration: `RunConfiguration`.
        source: Model of its `start_from`, or `None`.
        steps_per_epoch: Positive int.

    Returns:
        List of str, what to tell about it.

    Raises:
        FileNotFoundError: If there are no such word vectors.
        ValueError: If the source or the vectors do not fit, or there is no such part.
    """
    told = []
    if source is not None:
        copy_weights(source, model, configuration.start_from)
    if configuration.word_vectors is not None:
        found = load_word_vectors(model, configuration.word_vectors)
        size = len(model.tokenizer.vocabulary)
        told.append(
            f"{configuration.word_vectors}: vectors for {found} of the {size} words of "
            f"the vocabulary ({found / size:.1%})"
        )
    if configuration.freeze is not None:
        freeze(model, configuration.freeze)
        # The optimizer keeps a state of the variables that it is compiled with.
        builder = configuration.builder(model.tokenizer, steps_per_epoch)
        model.compile(builder.optimizer(), jit_compile=builder.jit_compile)
    return told


def copy_weights(source, model, place):
    """Gives a model the weights of another.

    Args:
        source: Model to copy from.
        model: Model of the same parts and sizes.
        place: Where `source` comes from, for the error.

    Raises:
        ValueError: If a part is missing or of another kind or size, or the labels are
            others.
    """
    if source.label_names != model.label_names:
        old, new = (
            "none" if names is None else ", ".join(names)
            for names in (source.label_names, model.label_names)
        )
        raise ValueError(
            f"{place}: the labels of that run are not those of the new one: {old} "
            f"against {new}. Train on rows with the same labels (--label-column)."
        )
    for name in _PARTS:
        old, new = getattr(source, name, None), getattr(model, name, None)
        if new is None or not new.weights:
            continue
        if old is None or _shapes(old) != _shapes(new):
            raise ValueError(
                f"{place}: the {name} of that run does not fit the new one: "
                f"{_described(old)} against {_described(new)}. Give the same setting "
                "and sizes (--setting, --set)."
            )
        new.set_weights(old.get_weights())


def load_word_vectors(model, path):
    """Puts pretrained word vectors into the embeddings of a model.

    Encoder and decoder get the same vectors. Words without one, the special tokens
    among them, keep what they have. The vocabulary layer stays as it is.

    Args:
        model: Model with a tokenizer.
        path: Path of a file in the text format of GloVe or word2vec, see
            `tfvae.text.read_word_vectors`.

    Returns:
        Int, the number of words of the vocabulary that have got a vector.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is refused, its vectors are not as wide as the
            embeddings, or the model has no tokenizer.

    Example:
    ```python
    setting = dataclasses.replace(tfvae.presets.SETTINGS["ivae"], embedding_dim=100)
    model = tfvae.presets.vae(setting, train)
    print(tfvae.load_word_vectors(model, "glove.6B.100d.txt"))
    ```
    """
    if model.tokenizer is None:
        raise ValueError(
            "Word vectors belong to words. Make the model with a `tokenizer`."
        )
    vocabulary = model.tokenizer.vocabulary
    vectors = read_word_vectors(path, vocabulary)
    width = len(next(iter(vectors.values())))
    rows = {word: row for row, word in enumerate(vocabulary)}
    for embedding in _embeddings(model):
        if embedding.output_dim != width:
            raise ValueError(
                f"{path}: vectors of {width} numbers for embeddings of "
                f"{embedding.output_dim}. Make the model with embedding_dim={width} "
                f"(--set embedding_dim={width})."
            )
        (table,) = embedding.get_weights()
        for word, vector in vectors.items():
            table[rows[word]] = vector
        embedding.set_weights([table])
    return len(vectors)


def freeze(model, name):
    """Makes a part of a model keep its weights. The model has to be compiled again.

    Args:
        model: Model.
        name: `"encoder"`, `"decoder"` or `"embedding"`, those of both.

    Raises:
        ValueError: If the model has no such part.
    """
    part = getattr(model, name, None)
    parts = _embeddings(model) if name == "embedding" else [part]
    if parts == [None]:
        raise ValueError(
            f"A {type(model).__name__} has no {name} to freeze. Leave out `freeze` "
            "(--freeze)."
        )
    for part in parts:
        part.trainable = False


def _embeddings(model):
    holders = [getattr(model, name, None) for name in ("encoder", "decoder")]
    return [holder.embedding for holder in holders if holder is not None]


def _shapes(part):
    return type(part), [tuple(weight.shape) for weight in part.weights]


def _described(part):
    if part is None:
        return "none"
    return f"a {type(part).__name__} of {part.count_params()} weights"
