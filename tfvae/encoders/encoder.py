"""The base class of encoders."""

from tfvae.layers.component import Component


class Encoder(Component):
    """Maps word ids to one code per sentence.

    A subclass sets `code_dim` in its constructor, creates its weights in `build()`,
    which takes no widths, and implements `call`.

    Attributes:
        code_dim: Int, the width `C` of the code.
        vocabulary_size: Int `V`.
        embedding_dim: Int, width of the embeddings.
        embedding: Layer that maps word ids to vectors; a decoder may share it.
    """

    code_dim = None
    vocabulary_size = None
    embedding_dim = None
    embedding = None

    def call(self, tokens, seed=None, training=False):
        """Encodes a batch.

        Args:
            tokens: Int tensor `[B, T]`, right-padded words without `<s>` and `</s>`.
            seed: Int tensor `[2]` for dropout, needed in training only.
            training: Whether dropout acts. Defaults to `False`.

        Returns:
            Float tensor `[B, C]`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")
