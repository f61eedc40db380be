"""The words and rules of the default grammar: how attributes choose words."""

import itertools
import typing


class TopicWords(typing.NamedTuple):
    """Holds the words that a topic decides; no noun belongs to two topics."""

    people: list
    verbs: list
    objects: list
    adjectives: list
    places: list


def _forms(verbs):
    return [tuple(verb.split("/")) for verb in verbs.split()]


def _topic(people, verbs, objects, adjectives, places):
    return TopicWords(
        people.split(),
        _forms(verbs),
        objects.split(),
        adjectives.split(),
        places.split(", "),
    )


# Each verb as base form / third person / past tense, all three different.
TOPICS = {
    "food": _topic(
        "chef baker waiter guest butcher grandmother student caterer",
        "prepare/prepares/prepared serve/serves/served taste/tastes/tasted "
        "order/orders/ordered share/shares/shared cook/cooks/cooked",
        "soup bread pasta salad cake pie curry rice pizza stew",
        "spicy warm creamy sweet salty fresh",
        "in the kitchen, at the restaurant, on the terrace, at the market, "
        "in the bakery, at home",
    ),
    "music": _topic(
        "singer drummer pianist composer violinist conductor guitarist cellist",
        "play/plays/played perform/performs/performed record/records/recorded "
        "rehearse/rehearses/rehearsed practice/practices/practiced "
        "study/studies/studied",
        "song melody symphony ballad anthem sonata waltz tune hymn march",
        "loud gentle famous catchy modern solemn",
        "in the concert hall, on the stage, at the festival, in the studio, "
        "at the opera, in the church",
    ),
    "sport": _topic(
        "striker goalkeeper coach captain referee runner defender athlete",
        "win/wins/won watch/watches/watched start/starts/started "
        "leave/leaves/left follow/follows/followed miss/misses/missed",
        "game match race tournament contest marathon derby relay playoff final",
        "tough indoor annual decisive regional professional",
        "at the stadium, on the field, in the arena, on the track, "
        "near the river, at the club",
    ),
    "travel": _topic(
        "tourist pilot sailor driver guide traveler passenger hiker",
        "explore/explores/explored visit/visits/visited cross/crosses/crossed "
        "photograph/photographs/photographed discover/discovers/discovered "
        "reach/reaches/reached",
        "island desert valley canyon village castle lake harbor mountain coast",
        "distant remote huge ancient snowy famed",
        "by train, by bike, with a group, with a map, on a tour, in a van",
    ),
    "office": _topic(
        "manager secretary engineer lawyer accountant clerk intern director",
        "write/writes/wrote check/checks/checked review/reviews/reviewed "
        "finish/finishes/finished send/sends/sent discuss/discusses/discussed",
        "report letter contract memo budget invoice proposal schedule email summary",
        "detailed brief urgent monthly official confidential",
        "at the office, during the meeting, at the desk, in the lobby, "
        "before lunch, in the archive",
    ),
    "garden": _topic(
        "gardener farmer botanist florist ranger beekeeper neighbor forester",
        "plant/plants/planted water/waters/watered trim/trims/trimmed "
        "grow/grows/grew measure/measures/measured inspect/inspects/inspected",
        "rose tulip tree hedge orchid lily fern bush daisy cactus",
        "green wild tiny rare thorny fragrant",
        "in the garden, behind the barn, near the fence, in the greenhouse, "
        "beside the pond, on the hill",
    ),
}
TOPIC_WEIGHTS = (22, 20, 18, 16, 13, 11)

# Of a person, of an action, and of a judgment on it.
SENTIMENTS = ("negative", "neutral", "positive")
SENTIMENT_WEIGHTS = (25, 35, 40)
PERSON_ADJECTIVES = {
    "negative": "grumpy angry rude miserable lazy clumsy bitter nasty".split(),
    "neutral": "young old tall local quiet short ordinary foreign".split(),
    "positive": "happy cheerful kind brilliant charming friendly proud lovely".split(),
}
ADVERBS = {
    "negative": "badly carelessly reluctantly angrily poorly sadly".split(),
    "neutral": "quietly slowly calmly simply quickly silently".split(),
    "positive": "happily gladly beautifully perfectly cheerfully skillfully".split(),
}
JUDGING_VERBS = {
    "negative": _forms(
        "hate/hates/hated dislike/dislikes/disliked regret/regrets/regretted "
        "mock/mocks/mocked criticize/criticizes/criticized"
    ),
    "neutral": _forms(
        "notice/notices/noticed remember/remembers/remembered "
        "expect/expects/expected mention/mentions/mentioned "
        "describe/describes/described"
    ),
    "positive": _forms(
        "love/loves/loved enjoy/enjoys/enjoyed adore/adores/adored "
        "praise/praises/praised admire/admires/admired"
    ),
}
JUDGES = ["everyone", "everybody", "the family", "the crowd", "the town"]

TENSES = ("past", "present", "future")
TENSE_WEIGHTS = (45, 35, 20)
TIMES = {
    "past": "yesterday, last week, last night, last summer, two days ago, an hour ago",
    "present": "every day, every week, each morning, on sundays, most evenings, "
    "these days",
    "future": "tomorrow, next week, next month, tonight, very soon, next spring",
}
AUXILIARIES = {"past": "did", "present": "does", "future": "will"}
# Before the verb of a sentence that is no question.
_WILL = {"past": (), "present": (), "future": ("will",)}

FORMS = ("statement", "question")
FORM_WEIGHTS = (75, 25)
ASSENTS = ["yes", "sure", "indeed", "certainly", "of course"]


_BASE, _THIRD, _PAST = range(3)
_STATEMENT_FORM = {"past": _PAST, "present": _THIRD, "future": _BASE}
_ANSWER_FORM = {"past": _PAST, "present": _BASE, "future": _BASE}
SAME_SENTIMENT = 0.6


def answer_sentiments(asked):
    """Returns the probabilities of an answer's sentiment given the question's."""
    other = (1 - SAME_SENTIMENT) / (len(SENTIMENTS) - 1)
    return [SAME_SENTIMENT if s == asked else other for s in range(len(SENTIMENTS))]


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
        enumerate(TOPICS), enumerate(SENTIMENTS), enumerate(TENSES)
    )
    for (i, topic), (j, sentiment), (k, tense) in combinations:
        weight = TOPIC_WEIGHTS[i] * SENTIMENT_WEIGHTS[j] * TENSE_WEIGHTS[k]
        key = f"{topic},{sentiment},{tense}"
        rules[f"Statement[{key}]"] = _statement(topic, sentiment, tense)
        attributes[f"Statement[{key}]"] = (i, j, k, 0)
        statements.append(((f"Statement[{key}]",), weight * FORM_WEIGHTS[0]))
        verbs = TOPICS[topic].verbs
        for verb, verb_weight in zip(verbs, _falling(verbs), strict=True):
            full = f"{key},{verb[_BASE]}"
            rules[f"Question[{full}]"] = _question(topic, sentiment, tense, verb)
            rules[f"Reply[{full}]"] = _reply(topic, sentiment, tense, verb)
            rules[f"Answer[{full}]"] = [
                ((f"Reply[{topic},{other},{tense},{verb[_BASE]}]",), share)
                for other, share in zip(SENTIMENTS, answer_sentiments(j), strict=True)
            ]
            attributes[f"Question[{full}]"] = (i, j, k, 1)
            attributes[f"Reply[{full}]"] = (i, j, k, 0)
            share = weight * verb_weight / sum(_falling(verbs))
            questions.append(((f"Question[{full}]",), share * FORM_WEIGHTS[1]))
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
    rules = {"Judge": _choice(JUDGES), "Assent": _choice(ASSENTS)}
    for topic, lists in TOPICS.items():
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
    for sentiment in SENTIMENTS:
        rules[f"PersonAdjective[{sentiment}]"] = _choice(PERSON_ADJECTIVES[sentiment])
        rules[f"Adverb[{sentiment}]"] = _choice(ADVERBS[sentiment])
        for tense, form in _STATEMENT_FORM.items():
            verbs = _choice([v[form] for v in JUDGING_VERBS[sentiment]])
            rules[f"JudgingVerb[{sentiment},{tense}]"] = verbs
            rules[f"Judgment[{sentiment},{tense}]"] = [
                (("Judge", *_WILL[tense], f"JudgingVerb[{sentiment},{tense}]", "it"), 1)
            ]
        for topic in TOPICS:
            described = (f"PersonAdjective[{sentiment}]", f"Person[{topic}]")
            rules[f"Described[{topic},{sentiment}]"] = [(("the", *described), 1)]
            rules[f"Subject[{topic},{sentiment}]"] = [
                (("the", f"Person[{topic}]"), 0.5),
                ((f"Described[{topic},{sentiment}]",), 0.5),
            ]
    for tense in TENSES:
        rules[f"Time[{tense}]"] = _choice(TIMES[tense].split(", "))
    return rules


def _statement(topic, sentiment, tense):
    subject = f"Subject[{topic},{sentiment}]"
    verb = f"Verb[{topic},{tense}]"
    core = (subject, *_WILL[tense], f"Adverb[{sentiment}]", verb, f"Object[{topic}]")
    time = f"Time[{tense}]"
    return [
        ((*core, f"Place[{topic}]", "."), 0.34),
        ((*core, time, "."), 0.26),
        ((*core, "and", f"Judgment[{sentiment},{tense}]", "."), 0.22),
        ((time, ",", *core, "."), 0.18),
    ]


def _question(topic, sentiment, tense, verb):
    core = (
        AUXILIARIES[tense],
        f"Described[{topic},{sentiment}]",
        verb[_BASE],
        f"Object[{topic}]",
    )
    return [
        ((*core, f"Place[{topic}]", "?"), 0.5),
        ((*core, f"Time[{tense}]", "?"), 0.5),
    ]


def _reply(topic, sentiment, tense, verb):
    done = (f"Adverb[{sentiment}]", verb[_ANSWER_FORM[tense]], "it")
    core = ("Assent", ",", "they", *_WILL[tense], *done)
    place, time = f"Place[{topic}]", f"Time[{tense}]"
    return [
        ((*core, place, time, "."), 0.45),
        ((*core, time, "and", f"Judgment[{sentiment},{tense}]", "."), 0.3),
        ((*core, place, "."), 0.25),
    ]
