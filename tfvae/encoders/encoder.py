"""What every encoder offers."""

from tfvae.layers.part import Part


class Encoder(Part):
    """Maps word ids to one code a sentence.

    A subclass sets `code_dim` in its constructor, creates its weights in `build`
    (which takes no shape from data: `build(None)`) and implements `call`.

    Attributes:
        code_dim: Int, the width `C` of the code.
        vocabulary_size: Int `V`.
        embedding_dim: Int, width of the word vectors.
        embedding: Layer that maps word ids to vectors; a decoder may share it.
    """

    code_dim = None
    vocabulary_size = None
    embedding_dim = None
    embedding = None

    def call(self, tokens, seed=None, training=False):
        """Encodes a batch.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without marks.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[B, C]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")
