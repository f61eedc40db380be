"""Turns data sets as they are published into tables that `tfvae train` reads.

`dialogues` reads a dialogue a line, its utterances separated by `__eou__` as in
DailyDialog, and writes `.jsonl` rows: every utterance from the second on is a response,
`"text"`, and the turns before it are its context, `"context"`, the oldest first.

`labels` reads a sentence a line and a label a line of another file, as the sentiments
of Yelp are published, and writes `.jsonl` rows of `"text"` and `"label"`.
"""

import argparse
import collections
import json
import sys

from tfvae.cli.main import import_tensorflow

UTTERANCE_END = "__eou__"


def read_dialogues(path):
    """Reads dialogues, one a line.

    Args:
        path: Path of a text file; `.gz` may follow.

    Yields:
        Lists of str, the utterances, each of words separated by single spaces.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an utterance is empty or a dialogue has but one, named by its
            line, or the file holds no dialogue.
    """
    from tfvae.text.formats import check_file, numbered_lines

    check_file(path)
    found = False
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        found = True
        utterances = [" ".join(each.split()) for each in line.split(UTTERANCE_END)]
        if not utterances[-1]:
            utterances.pop()
        if not all(utterances):
            raise ValueError(
                f"{path}, line {number}: utterance {utterances.index('') + 1} is "
                "empty. Leave it out, or write '<unk>' in its place."
            )
        if len(utterances) < 2:
            raise ValueError(
                f"{path}, line {number}: a dialogue needs two utterances, separated "
                f"by {UTTERANCE_END}. Leave the line out. Received: "
                f"{line.strip()[:40]!r}"
            )
        yield utterances
    if not found:
        raise ValueError(f"{path}: the file holds no dialogue.")


def pairs_of(dialogue, max_turns):
    """Pairs each utterance but the first with the turns before it.

    Args:
        dialogue: List of str.
        max_turns: Positive int, the most turns of a context, the last ones.

    Yields:
        Tuples of the context, a tuple of str, and the response, a str.
    """
    for place in range(1, len(dialogue)):
        yield tuple(dialogue[max(0, place - max_turns) : place]), dialogue[place]


class Seen:
    """What a training table holds, so that other tables can be had without it.

    Contexts are compared by their last `max_turns` turns.

    Args:
        path: Path of a table with the columns `context` and `text`, as `dialogues`
            writes them.
        max_turns: Positive int.
        drop: `"either"` for pairs whose context occurs there as a context, or whose
            response as a response; `"pair"` for pairs that occur there as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such table.
    """

    def __init__(self, path, max_turns, drop):
        from tfvae.text.readers import read_records

        self.drop = drop
        self.contexts, self.responses, self.pairs = set(), set(), set()
        for _, row in read_records(path, context_column="context"):
            turns = row["context"]
            turns = (turns,) if isinstance(turns, str) else tuple(turns[-max_turns:])
            if drop == "pair":
                self.pairs.add((turns, row["text"]))
            else:
                self.contexts.add(turns)
                self.responses.add(row["text"])

    def holds(self, context, response):
        """Whether a pair is to be dropped."""
        if self.drop == "pair":
            return (context, response) in self.pairs
        return context in self.contexts or response in self.responses


def dialogues(args):
    """Writes the rows of dialogues; returns a line on what was done."""
    from tfvae.files import replacing

    if args.max_turns < 1:
        raise ValueError(f"--max-turns must be positive. Received: {args.max_turns}")
    if (args.seen is None) != (args.drop is None):
        raise ValueError(
            "--seen TRAIN.jsonl and --drop either or pair go together. "
            f"Received: --seen {args.seen}, --drop {args.drop}"
        )
    if not args.out.endswith(".jsonl"):
        raise ValueError(f"--out must end in .jsonl. Received: {args.out}")
    seen = args.seen and Seen(args.seen, args.max_turns, args.drop)
    num_dialogues = num_pairs = num_kept = 0
    with replacing(args.out) as beside, open(beside, "w", encoding="utf-8") as file:
        for dialogue in read_dialogues(args.file):
            num_dialogues += 1
            for context, response in pairs_of(dialogue, args.max_turns):
                num_pairs += 1
                if seen and seen.holds(context, response):
                    continue
                num_kept += 1
                row = {"context": context, "text": response}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not num_kept:
            raise ValueError(
                f"{args.file}: every pair occurs in {args.seen}. Take --drop pair, or "
                "another file."
            )
    line = f"{args.out}: {num_kept} rows of {num_dialogues} dialogues"
    return line + (f", {num_pairs - num_kept} left out as seen" if seen else "")


def labels(args):
    """Writes sentences with their labels; returns a line on what was done."""
    from tfvae.files import replacing
    from tfvae.text.formats import check_file, numbered_lines

    if not args.out.endswith(".jsonl"):
        raise ValueError(f"--out must end in .jsonl. Received: {args.out}")
    names = dict(args.names)
    columns = []
    for path in (args.file, args.labels):
        check_file(path)
        columns.append(
            [(number, line.strip()) for number, line in numbered_lines(path)]
        )
    texts, found = columns
    if len(texts) != len(found):
        raise ValueError(
            f"{args.labels} must have a label for each line of {args.file}. "
            f"Received: {len(found)} labels, {len(texts)} sentences"
        )
    counts = collections.Counter()
    with replacing(args.out) as beside, open(beside, "w", encoding="utf-8") as file:
        for (number, text), (_, label) in zip(texts, found, strict=True):
            if not text or not label:
                path = args.labels if text else args.file
                raise ValueError(f"{path}, line {number}: the line is empty.")
            if names and label not in names:
                raise ValueError(
                    f"{args.labels}, line {number}: --names has no name for {label!r}, "
                    f"only for {', '.join(names)}."
                )
            label = names.get(label, label)
            counts[label] += 1
            row = {"text": text, "label": label}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not counts:
            raise ValueError(f"{args.file}: the file holds no sentence.")
    each = ", ".join(f"{num} {label}" for label, num in sorted(counts.items()))
    return f"{args.out}: {each}"


def _name(value):
    old, equals, new = value.partition("=")
    if not (old and equals and new):
        raise argparse.ArgumentTypeError(f"{value!r} is not OLD=NEW")
    return old, new


def make_parser():
    """Creates the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    of_dialogues = kinds.add_parser(
        "dialogues", help="a dialogue a line, utterances separated by __eou__"
    )
    of_dialogues.add_argument("file", metavar="FILE", help="dialogues")
    of_dialogues.add_argument("--out", required=True, metavar="FILE.jsonl")
    of_dialogues.add_argument(
        "--max-turns",
        type=int,
        default=10,
        metavar="N",
        help="most turns of a context, the last ones (10)",
    )
    of_dialogues.add_argument(
        "--seen",
        metavar="TRAIN.jsonl",
        help="rows of the training split, of which --drop leaves out what they hold",
    )
    of_dialogues.add_argument(
        "--drop",
        choices=("either", "pair"),
        help="either: a row whose context or whose response occurs in --seen; pair: "
        "one that occurs there as it is",
    )
    of_dialogues.set_defaults(run=dialogues)
    of_labels = kinds.add_parser("labels", help="a sentence a line, labels beside it")
    of_labels.add_argument("file", metavar="FILE", help="sentences")
    of_labels.add_argument("--labels", required=True, metavar="FILE", help="labels")
    of_labels.add_argument("--out", required=True, metavar="FILE.jsonl")
    of_labels.add_argument(
        "--names",
        nargs="+",
        type=_name,
        default=[],
        metavar="OLD=NEW",
        help="what labels are called in the table (as they are)",
    )
    of_labels.set_defaults(run=labels)
    return parser


def main(arguments=None):
    """Runs the command; a user's mistake is one line and exit code 2."""
    args = make_parser().parse_args(arguments)
    import_tensorflow()
    try:
        print(args.run(args))
    except (ValueError, OSError) as error:
        print(f"prepare_data.py {args.kind}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
