"""Presets that answer contexts, and what they learn where the truth is known."""

import dataclasses
import math

import pytest

from tests.support import reseed
from tfvae import evaluate
from tfvae.objectives import BagOfWords
from tfvae.presets import SETTINGS, ModelBuilder, cvae, seq2seq
from tfvae.text import Batches, default_grammar

# Of an answer whose question is not known, in nats: the 8.617 of the one whose question
# is, and what a question tells of topic, tense, verb and sentiment.
ANSWER_ENTROPY = 8.617 + 1.765 + 1.049 + 1.695 + 0.146
SMALL = dataclasses.replace(
    SETTINGS["ivae"],
    cell="gru",
    embedding_dim=32,
    encoder_dim=64,
    decoder_dim=64,
    latent_dim=8,
    input_dropout=0.0,
    output_dropout=0.0,
    weight_range=None,
    embedding_range=None,
    learning_rate=0.01,
)


def pairs(num, seed, **options):
    """Creates batches of questions and answers of the grammar."""
    rows = [
        {"context": each.context, "text": each.text}
        for each in default_grammar().sample_pairs(num, seed)
    ]
    return Batches(rows, **options)


def test_they_need_a_context():
    for preset in (seq2seq, cvae):
        with pytest.raises(ValueError, match="answers a context.*--context-column"):
            preset(ModelBuilder(SMALL, vocabulary_size=20))


def test_the_bag_of_zhao():
    builder = ModelBuilder(SMALL, vocabulary_size=20, steps_per_epoch=9, context="text")
    assert len(cvae(builder).objective) == 2
    bag = cvae(builder, bow_weight=0.5).objective[2]
    assert isinstance(bag, BagOfWords) and bag.weight.final == 0.5


def test_an_answer_is_less_surprising_to_who_knows_the_question():
    reseed(1)
    train = pairs(4000, 1, batch_size=32)
    test = pairs(300, 2, tokenizer=train.tokenizer, batch_size=100, shuffle=False)
    model = seq2seq(ModelBuilder(SMALL, train, jit_compile=False))
    model.fit(train, epochs=3, verbose=0)
    result = evaluate(model, test)
    truth = default_grammar().pair_entropy()
    assert result["nll_method"] == "exact"
    # Nothing but the question can bring it below the first, and nothing below the
    # second; both within the error of 300 answers.
    assert result["nll"] < ANSWER_ENTROPY - 4 * result["nll_se"]
    assert result["nll"] > truth - 4 * result["nll_se"]
    # What the question tells is 4.65 nats; a wrong one also misleads.
    assert result["context_gain"] > 4.0


@pytest.mark.slow
@pytest.mark.parametrize("preset", [seq2seq, cvae])
def test_most_answers_are_those_of_the_grammar(preset):
    reseed(1)
    grammar = default_grammar()
    setting = dataclasses.replace(SMALL, decay="cosine", budget=8)
    train = pairs(20000, 1, batch_size=64)
    test = pairs(1000, 2, tokenizer=train.tokenizer, batch_size=100, shuffle=False)
    model = preset(ModelBuilder(setting, train, jit_compile=False))
    model.fit(train, epochs=8, verbose=0)
    result = evaluate(model, test, num_samples=20)
    assert grammar.pair_entropy() - 4 * result["nll_se"] < result["nll"] < 9.6
    questions = [each.context for each in grammar.sample_pairs(200, 3)]
    answers = model.respond(questions, seed=1)
    allowed = [
        math.isfinite(grammar.pair_log_prob(question, answer))
        for question, (answer,) in zip(questions, answers, strict=True)
    ]
    # With sampled words, which a model half a nat above the entropy gets wrong.
    assert sum(allowed) > 0.65 * len(allowed)
