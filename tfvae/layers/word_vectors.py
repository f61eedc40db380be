"""Word vectors that start as PyTorch's do."""

import keras


def word_vectors(vocabulary_size, embedding_dim, initializer=None):
    """Makes the layer that maps word ids to vectors, not built.

    Args:
        vocabulary_size: Positive int `V`.
        embedding_dim: Positive int.
        initializer: Keras initializer, or `None` for a standard normal.

    Returns:
        `keras.layers.Embedding` named `"embedding"`.
    """
    return keras.layers.Embedding(
        vocabulary_size,
        embedding_dim,
        embeddings_initializer=initializer or keras.initializers.RandomNormal(0.0, 1.0),
        name="embedding",
    )
