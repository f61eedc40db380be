"""The rules of the default grammar: how attributes choose words across a sentence."""

import itertools

from tfvae.text.grammar import words

_BASE, _THIRD, _PAST = range(3)
_STATEMENT_FORM = {"past": _PAST, "present": _THIRD, "future": _BASE}
_ANSWER_FORM = {"past": _PAST, "present": _BASE, "future": _BASE}
SAME_SENTIMENT = 0.6


def make_rules():
    """Creates the rules, and lists the attributes of each sentence symbol.

    Every sentence shows its attributes: the noun of the person tells the topic, the
    adverb (in a question the adjective of the person) the sentiment, the verb or the
    auxiliary the tense, the last word the form. Hence the grammar is unambiguous.

    `Sentence` derives a statement or a question, `Asked` a question; `Answer[...]`
    derives what answers the question `Question[...]` of the same brackets.

    Returns:
        A pair: the rules for `PCFG`, and a dict from each `Statement[...]`,
        `Question[...]` and `Reply[...]` to the ints of topic, sentiment, tense and
        form.
    """
    rules = _word_rules()
    attributes = {}
    statements, questions = [], []
    combinations = itertools.product(
        enumerate(words.TOPICS), enumerate(words.SENTIMENTS), enumerate(words.TENSES)
    )
    for (i, topic), (j, sentiment), (k, tense) in combinations:
        weight = (
            words.TOPIC_WEIGHTS[i] * words.SENTIMENT_WEIGHTS[j] * words.TENSE_WEIGHTS[k]
        )
        key = f"{topic},{sentiment},{tense}"
        rules[f"Statement[{key}]"] = _statement(topic, sentiment, tense)
        attributes[f"Statement[{key}]"] = (i, j, k, 0)
        statements.append(((f"Statement[{key}]",), weight * words.FORM_WEIGHTS[0]))
        verbs = words.TOPICS[topic].verbs
        for verb, verb_weight in zip(verbs, _falling(verbs), strict=True):
            full = f"{key},{verb[_BASE]}"
            rules[f"Question[{full}]"] = _question(topic, sentiment, tense, verb)
            rules[f"Reply[{full}]"] = _reply(topic, sentiment, tense, verb)
            rules[f"Answer[{full}]"] = [
                (
                    (f"Reply[{topic},{other},{tense},{verb[_BASE]}]",),
                    SAME_SENTIMENT if other == sentiment else (1 - SAME_SENTIMENT) / 2,
                )
                for other in words.SENTIMENTS
            ]
            attributes[f"Question[{full}]"] = (i, j, k, 1)
            attributes[f"Reply[{full}]"] = (i, j, k, 0)
            share = weight * verb_weight / sum(_falling(verbs))
            questions.append(((f"Question[{full}]",), share * words.FORM_WEIGHTS[1]))
    rules["Sentence"] = statements + questions
    rules["Asked"] = questions
    return rules, attributes


def _falling(items):
    """Returns weights 1/2, 1/3, 1/4 ...: common words, but none too rare to learn."""
    return [1 / rank for rank in range(2, 2 + len(items))]


def _choice(phrases):
    weights = _falling(phrases)
    return [(tuple(p.split()), w) for p, w in zip(phrases, weights, strict=True)]


def _word_rules():
    rules = {"Judge": _choice(words.JUDGES), "Assent": _choice(words.ASSENTS)}
    for topic, lists in words.TOPICS.items():
        rules[f"Person[{topic}]"] = _choice(lists.people)
        rules[f"Thing[{topic}]"] = _choice(lists.objects)
        rules[f"ThingAdjective[{topic}]"] = _choice(lists.adjectives)
        rules[f"Place[{topic}]"] = _choice(lists.places)
        rules[f"Object[{topic}]"] = [
            (("the", f"Thing[{topic}]"), 0.4),
            (("the", f"ThingAdjective[{topic}]", f"Thing[{topic}]"), 0.6),
        ]
        for tense, form in _STATEMENT_FORM.items():
            rules[f"Verb[{topic},{tense}]"] = _choice([v[form] for v in lists.verbs])
    for sentiment in words.SENTIMENTS:
        rules[f"PersonAdjective[{sentiment}]"] = _choice(
            words.PERSON_ADJECTIVES[sentiment]
        )
        rules[f"Adverb[{sentiment}]"] = _choice(words.ADVERBS[sentiment])
        for tense, form in _STATEMENT_FORM.items():
            verbs = _choice([v[form] for v in words.JUDGING_VERBS[sentiment]])
            will = ("will",) if tense == "future" else ()
            rules[f"JudgingVerb[{sentiment},{tense}]"] = verbs
            rules[f"Judgment[{sentiment},{tense}]"] = [
                (("Judge", *will, f"JudgingVerb[{sentiment},{tense}]", "it"), 1)
            ]
        for topic in words.TOPICS:
            described = (f"PersonAdjective[{sentiment}]", f"Person[{topic}]")
            rules[f"Described[{topic},{sentiment}]"] = [(("the", *described), 1)]
            rules[f"Subject[{topic},{sentiment}]"] = [
                (("the", f"Person[{topic}]"), 0.5),
                ((f"Described[{topic},{sentiment}]",), 0.5),
            ]
    for tense in words.TENSES:
        rules[f"Time[{tense}]"] = _choice(words.TIMES[tense])
    return rules


def _statement(topic, sentiment, tense):
    will = ("will",) if tense == "future" else ()
    subject = f"Subject[{topic},{sentiment}]"
    verb = f"Verb[{topic},{tense}]"
    core = (subject, *will, f"Adverb[{sentiment}]", verb, f"Object[{topic}]")
    time = f"Time[{tense}]"
    return [
        ((*core, f"Place[{topic}]", "."), 0.34),
        ((*core, time, "."), 0.26),
        ((*core, "and", f"Judgment[{sentiment},{tense}]", "."), 0.22),
        ((time, ",", *core, "."), 0.18),
    ]


def _question(topic, sentiment, tense, verb):
    core = (
        words.AUXILIARIES[tense],
        f"Described[{topic},{sentiment}]",
        verb[_BASE],
        f"Object[{topic}]",
    )
    return [
        ((*core, f"Place[{topic}]", "?"), 0.5),
        ((*core, f"Time[{tense}]", "?"), 0.5),
    ]


def _reply(topic, sentiment, tense, verb):
    will = ("will",) if tense == "future" else ()
    done = (f"Adverb[{sentiment}]", verb[_ANSWER_FORM[tense]], "it")
    core = ("Assent", ",", "they", *will, *done)
    place, time = f"Place[{topic}]", f"Time[{tense}]"
    return [
        ((*core, place, time, "."), 0.45),
        ((*core, time, "and", f"Judgment[{sentiment},{tense}]", "."), 0.3),
        ((*core, place, "."), 0.25),
    ]
