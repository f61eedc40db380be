"""What subcommands share: files of results, arguments of text."""

import json
import sys


def add_json(parser):
    """Declares `--json FILE`."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the result as JSON; - for standard output, without the table",
    )


def add_writing(parser):
    """Declares how sentences are written."""
    parser.add_argument(
        "--max-length", type=int, default=60, metavar="N", help="most words (60)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def show(args, result, text):
    """Prints a result and writes its JSON where asked.

    Args:
        args: Parsed arguments with `json`.
        result: What JSON can hold.
        text: Str, for people.
    """
    if args.json == "-":
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    print(text)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")
