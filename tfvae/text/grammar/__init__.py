"""A corpus drawn from a probabilistic grammar, whose entropy is known."""

from tfvae.text.grammar.grammar import ATTRIBUTES as ATTRIBUTES
from tfvae.text.grammar.grammar import Grammar as Grammar
from tfvae.text.grammar.grammar import Sentence as Sentence
from tfvae.text.grammar.grammar import default_grammar as default_grammar
from tfvae.text.grammar.grammar import write_corpus as write_corpus
from tfvae.text.grammar.pcfg import PCFG as PCFG
