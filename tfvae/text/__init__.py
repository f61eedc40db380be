"""Tokenizers, readers, batches and the corpus of known entropy."""

from tfvae.text.base_tokenizer import Tokenizer
from tfvae.text.batching import Batches
from tfvae.text.buckets import bucket_boundaries
from tfvae.text.corpus import write_corpus
from tfvae.text.datasets import read_columns, read_lines, read_texts
from tfvae.text.grammar import ATTRIBUTES, Grammar, Sentence, default_grammar
from tfvae.text.noise import word_dropout
from tfvae.text.pcfg import PCFG
from tfvae.text.records import TextCounts
from tfvae.text.tokenizer import WordTokenizer
from tfvae.text.vocabulary import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    Vocabulary,
)
from tfvae.text.wordpiece import WordpieceTokenizer

__all__ = [
    "ATTRIBUTES",
    "BOS_ID",
    "EOS_ID",
    "PAD_ID",
    "PCFG",
    "SPECIAL_TOKENS",
    "UNK_ID",
    "Batches",
    "Grammar",
    "Sentence",
    "TextCounts",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
    "WordpieceTokenizer",
    "bucket_boundaries",
    "default_grammar",
    "read_columns",
    "read_lines",
    "read_texts",
    "word_dropout",
    "write_corpus",
]
