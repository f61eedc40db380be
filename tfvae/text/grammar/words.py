"""The words of the default grammar, by the attribute that decides them."""

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
    "past": [
        "yesterday",
        "last week",
        "last night",
        "last summer",
        "two days ago",
        "an hour ago",
    ],
    "present": [
        "every day",
        "every week",
        "each morning",
        "on sundays",
        "most evenings",
        "these days",
    ],
    "future": [
        "tomorrow",
        "next week",
        "next month",
        "tonight",
        "very soon",
        "next spring",
    ],
}
AUXILIARIES = {"past": "did", "present": "does", "future": "will"}

FORMS = ("statement", "question")
FORM_WEIGHTS = (75, 25)
ASSENTS = ["yes", "sure", "indeed", "certainly", "of course"]
