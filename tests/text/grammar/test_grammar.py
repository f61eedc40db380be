import collections
import itertools
import json
import math
import statistics

import nltk
import pytest

from tfvae.text.grammar import rules
from tfvae.text.grammar.grammar import (
    ATTRIBUTES,
    Grammar,
    default_grammar,
    write_corpus,
)
from tfvae.text.readers import read_columns, read_lines


@pytest.fixture(scope="module")
def grammar():
    return default_grammar()


@pytest.fixture(scope="module")
def sentences(grammar):
    return list(grammar.sample(20000, seed=1))


@pytest.fixture(scope="module")
def pairs(grammar):
    return list(grammar.sample_pairs(10000, seed=1))


def deviation(values, expected):
    """How many standard errors the mean is away from what is expected."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return abs(statistics.fmean(values) - expected) / error


def test_size(grammar, sentences):
    assert 15 < grammar.entropy() < 22
    assert 8 <= grammar.mean_length() <= 12
    assert 300 < len(grammar.vocabulary()) < 600
    used = {word for sentence in sentences for word in sentence.text.split()}
    assert used <= set(grammar.vocabulary())


def test_mean_negative_log_prob_is_the_entropy(grammar, sentences):
    assert deviation([-s.log_prob for s in sentences], grammar.entropy()) < 4
    lengths = [len(s.text.split()) for s in sentences]
    assert deviation(lengths, grammar.mean_length()) < 4


def test_log_prob_agrees_with_the_sampler(grammar, sentences):
    for sentence in sentences[:1000]:
        assert grammar.log_prob(sentence.text) == pytest.approx(sentence.log_prob)


def to_nltk(pcfg):
    """Creates the grammar that NLTK parses with, of the rules that `pcfg` can reach."""
    rules = pcfg.rules
    reached = [pcfg.start]
    for symbol in reached:
        found = (item for items, _ in rules[symbol] for item in items if item in rules)
        reached.extend(dict.fromkeys(item for item in found if item not in reached))
    productions = [
        nltk.ProbabilisticProduction(
            nltk.Nonterminal(symbol),
            [nltk.Nonterminal(item) if item in rules else item for item in items],
            prob=p,
        )
        for symbol in reached
        for items, p in rules[symbol]
    ]
    return nltk.PCFG(nltk.Nonterminal(pcfg.start), productions)


def test_nltk_finds_the_one_parse_with_the_same_probability(grammar, sentences):
    parsed = to_nltk(grammar.pcfg)
    probabilities = {(p.lhs(), p.rhs()): p.prob() for p in parsed.productions()}
    parser = nltk.parse.BottomUpLeftCornerChartParser(parsed)
    chosen = {(s.form, s.tense, s.topic): s for s in sentences[:400]}
    for sentence in list(chosen.values())[::3]:
        trees = list(parser.parse(sentence.text.split()))
        assert len(trees) == 1
        total = sum(
            math.log(probabilities[p.lhs(), p.rhs()]) for p in trees[0].productions()
        )
        assert total == pytest.approx(sentence.log_prob)


def first_words(rules):
    found = {}

    def first(item):
        if item not in rules:
            return {item}
        if item not in found:
            found[item] = set().union(*(first(items[0]) for items, _ in rules[item]))
        return found[item]

    return first


def is_unambiguous(rules, start):
    """Runs two leftmost derivations of the same words side by side, exhaustively."""
    first = first_words(rules)
    seen = set()
    waiting = []

    def push(left, right, different):
        ended = not left or not right
        if (left == right) if ended else first(left[0]) & first(right[0]):
            state = (min(left, right), max(left, right), different)
            if state not in seen:
                seen.add(state)
                waiting.append(state)

    push((start,), (start,), False)
    while waiting:
        left, right, different = waiting.pop()
        if not left:
            if different:
                return False
        elif not different and left[0] in rules:
            alternatives = [items for items, _ in rules[left[0]]]
            choices = itertools.combinations_with_replacement(
                enumerate(alternatives), 2
            )
            for (i, one), (j, other) in choices:
                push(one + left[1:], other + right[1:], i != j)
        elif left[0] in rules:
            for items, _ in rules[left[0]]:
                push(items + left[1:], right, True)
        elif right[0] in rules:
            for items, _ in rules[right[0]]:
                push(left, items + right[1:], True)
        else:
            push(left[1:], right[1:], different)
    return True


def test_the_ambiguity_check_finds_ambiguity():
    rules = {"S": [(("A", "A"), 1)], "A": [(("a",), 1), (("a", "a"), 1)]}
    assert not is_unambiguous(rules, "S")
    rules["A"] = [(("a",), 1), (("b", "a"), 1)]
    assert is_unambiguous(rules, "S")


def test_no_sentence_has_two_derivations(grammar):
    assert is_unambiguous(grammar.pcfg.rules, "Sentence")


def test_no_answer_to_a_question_has_two_derivations(grammar):
    rules = grammar.pcfg.rules
    answers = [symbol for symbol in rules if symbol.startswith("Answer")]
    assert len(answers) == 6 * 3 * 3 * 6
    assert all(is_unambiguous(rules, symbol) for symbol in answers[::5])


def test_probabilities_of_a_part_sum_to_one(grammar):
    rules = grammar.pcfg.rules

    def strings(symbol):
        if symbol not in rules:
            return [symbol]
        found = []
        for items, _ in rules[symbol]:
            found += map(" ".join, itertools.product(*map(strings, items)))
        return found

    for symbol in ("Object[food]", "Judgment[positive,future]"):
        derived = strings(symbol)
        assert len(derived) == len(set(derived))
        total = sum(grammar.pcfg.probability(text.split(), symbol) for text in derived)
        assert total == pytest.approx(1, rel=1e-12)
        entropy = -sum(
            p * math.log(p)
            for p in (
                grammar.pcfg.probability(text.split(), symbol) for text in derived
            )
        )
        assert grammar.pcfg.entropy(symbol) == pytest.approx(entropy)


def test_attributes_agree_with_the_words(sentences):
    for sentence in sentences[:3000]:
        names = sentence.names()
        found = set(sentence.text.split())
        people = {
            topic for topic, own in rules.TOPICS.items() if found & set(own.people)
        }
        assert people == {names["topic"]}
        moods = {
            mood
            for mood in rules.SENTIMENTS
            if found & {*rules.ADVERBS[mood], *rules.PERSON_ADJECTIVES[mood]}
        }
        assert moods == {names["sentiment"]}
        assert (sentence.text[-1] == "?") == (names["form"] == "question")
        assert ("will" in found) == (names["tense"] == "future")
        if names["form"] == "question":
            auxiliary = sentence.text.split()[0]
            assert auxiliary == rules.AUXILIARIES[names["tense"]]
        elif names["tense"] != "future":
            place = {"present": 1, "past": 2}[names["tense"]]
            assert found & {v[place] for v in rules.TOPICS[names["topic"]].verbs}


def test_parse_recovers_the_attributes(grammar, sentences):
    for sentence in sentences[:300]:
        parsed = grammar.parse(sentence.text)
        assert parsed[2:] == sentence[2:]
        assert parsed.log_prob == pytest.approx(sentence.log_prob)


def test_attribute_frequencies(grammar, sentences):
    expected = {
        "topic": rules.TOPIC_WEIGHTS,
        "sentiment": rules.SENTIMENT_WEIGHTS,
        "tense": rules.TENSE_WEIGHTS,
        "form": rules.FORM_WEIGHTS,
    }
    num = len(sentences)
    total = 0.0
    for attribute, weights in expected.items():
        counts = collections.Counter(getattr(s, attribute) for s in sentences)
        assert len(counts) == len(ATTRIBUTES[attribute])
        for value, weight in enumerate(weights):
            share = weight / 100
            error = (share * (1 - share) / num) ** 0.5
            assert abs(counts[value] / num - share) < 4.5 * error
            total -= share * math.log(share)
    assert grammar.attribute_entropy() == pytest.approx(total)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the chef",
        "the chef happily served the soup at home",
        "the chef happily served the sonata at home .",
        "the happy chef sadly served the soup at home .",
        "the chef happily served the soup tomorrow .",
        "did the happy chef serve the soup tomorrow ?",
        "the chef happily serve the soup at home .",
    ],
)
def test_other_texts_have_no_probability(grammar, text):
    assert grammar.log_prob(text) == -math.inf
    assert grammar.parse(text) is None


def test_log_prob_by_hand(grammar):
    # Weights 1/2, 1/3 ...: the first of n is drawn with 0.5 / (H(n + 1) - 1).
    def first(num):
        return 0.5 / sum(1 / rank for rank in range(2, num + 2))

    attributes = 0.22 * 0.40 * 0.45 * 0.75
    choices = first(8) * first(6) * first(6) * first(10) * first(6)
    expected = math.log(attributes * 0.34 * 0.5 * 0.4 * choices)
    text = "the chef happily prepared the soup in the kitchen ."
    assert grammar.log_prob(text) == pytest.approx(expected)


def test_samples_are_a_function_of_the_seed(grammar):
    first = list(grammar.sample(50, seed=3))
    assert first == list(Grammar().sample(60, seed=3))[:50]
    assert first != list(grammar.sample(50, seed=4))
    assert list(grammar.sample_pairs(9)) == list(grammar.sample_pairs(10))[:9]


def test_pairs(grammar, pairs):
    assert deviation([-p.log_prob for p in pairs], grammar.pair_entropy()) < 4
    for pair in pairs[:200]:
        log_prob = grammar.pair_log_prob(pair.context, pair.text)
        assert log_prob == pytest.approx(pair.log_prob)
        question = grammar.parse(pair.context)
        assert question.names()["form"] == "question"
        assert (question.topic, question.tense) == (pair.topic, pair.tense)
        assert pair.form == 0
    same = [grammar.parse(p.context).sentiment == p.sentiment for p in pairs[:2000]]
    assert abs(sum(same) / 2000 - 0.6) < 4 * (0.6 * 0.4 / 2000) ** 0.5
    lengths = [len(p.text.split()) for p in pairs]
    assert 8 <= statistics.fmean(lengths) <= 13


def test_an_answer_uses_the_verb_of_its_question(grammar, pairs):
    verbs = [v for own in rules.TOPICS.values() for v in own.verbs]
    for pair in pairs[:500]:
        asked = {v for v in verbs if v[0] in pair.context.split()}
        assert any(
            form in pair.text.split() for verb in asked for form in (verb[0], verb[2])
        )
    question = "did the happy chef serve the soup last week ?"
    right = "yes , they gladly served it at home ."
    assert grammar.pair_log_prob(question, right) > -math.inf
    for wrong in (right.replace("served", "cooked"), right.replace("served", "serve")):
        assert grammar.pair_log_prob(question, wrong) == -math.inf


def test_a_context_must_be_a_question(grammar):
    with pytest.raises(ValueError, match="Received: 'yes .'"):
        grammar.pair_log_prob("yes .", "yes .")


def test_corpus_files_hold_what_the_grammar_says(tmp_path):
    write_corpus(tmp_path / "new" / "corpus", 60, 20, 30, seed=5)
    folder = tmp_path / "new" / "corpus"
    grammar = default_grammar()
    texts = []
    for split, num in (("train", 60), ("valid", 20), ("test", 30)):
        lines = list(read_lines(folder / f"{split}.txt"))
        assert len(lines) == num
        texts.append(lines)
        columns = ["text", *ATTRIBUTES, "log_prob"]
        rows = list(read_columns(folder / f"{split}.tsv", columns))
        assert [row["text"] for row in rows] == lines
        for row in rows:
            sentence = grammar.parse(row["text"])
            assert float(row["log_prob"]) == pytest.approx(sentence.log_prob)
            for attribute in ATTRIBUTES:
                assert int(row[attribute]) == getattr(sentence, attribute)
        pairs = list(
            read_columns(
                folder / f"{split}_pairs.tsv", ["context", "text", "topic", "log_prob"]
            )
        )
        assert len(pairs) == num
        for pair in pairs:
            log_prob = grammar.pair_log_prob(pair["context"], pair["text"])
            assert float(pair["log_prob"]) == pytest.approx(log_prob)
    assert not set(texts[0]) <= set(texts[1])
    names = json.loads((folder / "attributes.json").read_text())
    assert {key: tuple(value) for key, value in names.items()} == ATTRIBUTES


def test_a_corpus_is_a_function_of_the_seed_and_splits_do_not_interact(tmp_path):
    write_corpus(tmp_path / "a", 10, 10, 10, seed=1)
    write_corpus(tmp_path / "b", 20, 10, 10, seed=1)
    write_corpus(tmp_path / "c", 10, 10, 10, seed=2)
    for name in ("test.txt", "test.tsv", "test_pairs.tsv", "valid.txt"):
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        assert content != (tmp_path / "c" / name).read_bytes()
    longer = (tmp_path / "b" / "train.txt").read_text()
    assert longer.startswith((tmp_path / "a" / "train.txt").read_text())


def test_a_corpus_refuses_an_empty_split(tmp_path):
    with pytest.raises(ValueError, match="'valid': 0"):
        write_corpus(tmp_path, 1, 0, 1)
