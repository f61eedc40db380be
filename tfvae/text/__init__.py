"""Tokenizers, readers, batches and the corpus of known entropy."""

from tfvae.text.batches import Batches as Batches
from tfvae.text.batches import bucket_boundaries as bucket_boundaries
from tfvae.text.batches import reader_errors as reader_errors
from tfvae.text.formats import is_stream as is_stream
from tfvae.text.grammar import ATTRIBUTES as ATTRIBUTES
from tfvae.text.grammar import PCFG as PCFG
from tfvae.text.grammar import Grammar as Grammar
from tfvae.text.grammar import Sentence as Sentence
from tfvae.text.grammar import default_grammar as default_grammar
from tfvae.text.grammar import write_corpus as write_corpus
from tfvae.text.readers import has_columns as has_columns
from tfvae.text.readers import read_columns as read_columns
from tfvae.text.readers import read_lines as read_lines
from tfvae.text.readers import read_numbered as read_numbered
from tfvae.text.readers import read_texts as read_texts
from tfvae.text.records import TextCounts as TextCounts
from tfvae.text.tokenizer import CharacterTokenizer as CharacterTokenizer
from tfvae.text.tokenizer import Tokenizer as Tokenizer
from tfvae.text.tokenizer import WordTokenizer as WordTokenizer
from tfvae.text.vocabulary import BOS_ID as BOS_ID
from tfvae.text.vocabulary import EOS_ID as EOS_ID
from tfvae.text.vocabulary import PAD_ID as PAD_ID
from tfvae.text.vocabulary import SPECIAL_TOKENS as SPECIAL_TOKENS
from tfvae.text.vocabulary import UNK_ID as UNK_ID
from tfvae.text.vocabulary import Vocabulary as Vocabulary
from tfvae.text.wordpiece import WordpieceTokenizer as WordpieceTokenizer
