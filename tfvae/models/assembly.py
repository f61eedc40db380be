"""Putting parts together."""


def build(part, shape):
    """Builds a part unless it is: one that two models share keeps its weights."""
    if not part.built:
        part.build(shape)


def check_tokenizer(tokenizer, decoder):
    """Refuses a tokenizer of another vocabulary size than the decoder's.

    A tokenizer that is being loaded gets its vocabulary after the constructor.

    Raises:
        ValueError: If the sizes differ.
    """
    if tokenizer is None or not tokenizer.has_vocabulary:
        return
    if tokenizer.vocabulary_size != decoder.vocabulary_size:
        raise ValueError(
            "`tokenizer` and `decoder` need one `vocabulary_size`. Received: "
            f"{tokenizer.vocabulary_size} and {decoder.vocabulary_size}"
        )
