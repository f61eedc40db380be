"""What commands share: options, samplers, what they print and write."""

import contextlib
import json
import os
import sys
import typing

from tfvae.files import replacing


class Command(typing.NamedTuple):
    """A subcommand.

    Attributes:
        help: Str, a line for `tfvae --help`.
        description: Str, what its own `--help` begins with.
        add_arguments: Function of a parser that declares the arguments.
        run: Function of the parsed arguments.
    """

    help: str
    description: str
    add_arguments: typing.Callable
    run: typing.Callable


def add_number(parser, flag, help, default=None, *, kind=int, metavar="N"):
    """Declares an option that takes a number."""
    parser.add_argument(flag, type=kind, default=default, metavar=metavar, help=help)


def add_no_header(parser, what="a sentence"):
    """Declares `--no-header`; `what` the first row of a table then holds."""
    parser.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        help=f"the first row of a .csv or .tsv file is {what}, not names",
    )


def add_evaluation(parser):
    """Declares how models are evaluated."""
    add_number(
        parser,
        "--samples",
        "posterior samples per sentence for the importance-weighted nll, a tenth of "
        "those of a prior without density; 0 leaves it out (100)",
    )
    add_number(
        parser,
        "--num-generated",
        "sentences to generate for the metrics of generation (100000, the papers')",
    )
    add_number(
        parser,
        "--num-responses",
        "responses to each context, of a conditional run, for the metrics of responses "
        "(10, the papers')",
    )
    add_number(parser, "--batch-size", "sentences (32)", 32)
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def counts_of(args):
    """Returns the counts of `add_evaluation`, a dict of `evaluate`'s arguments."""
    defaults = {"samples": 100, "num_generated": 100_000, "num_responses": 10}
    counts = {
        name: default if getattr(args, name) is None else getattr(args, name)
        for name, default in defaults.items()
    }
    return {"num_samples": counts.pop("samples"), **counts}


class _SamplerOption(typing.NamedTuple):
    """An option of `add_sampler`: what it sets, and for which samplers.

    The first of the samplers is meant where the option stands alone.
    """

    argument: str
    samplers: tuple
    rule: str
    is_allowed: typing.Callable


_SAMPLERS = ("ancestral", "beam", "greedy", "nucleus", "top_k")
# In the order in which they decide.
_SAMPLER_OPTIONS = {
    "top_k": _SamplerOption("k", ("top_k",), "must be at least 1", lambda x: x >= 1),
    "top_p": _SamplerOption(
        "p", ("nucleus",), "must be in (0, 1]", lambda x: 0 < x <= 1
    ),
    "beams": _SamplerOption(
        "num_beams", ("beam",), "must be at least 1", lambda x: x >= 1
    ),
    "length_normalization": _SamplerOption(
        "length_normalization", ("beam",), "must not be negative", lambda x: x >= 0
    ),
    "temperature": _SamplerOption(
        "temperature",
        ("ancestral", "top_k", "nucleus"),
        "must be positive",
        lambda x: x > 0,
    ),
}


def add_sampler(parser, default):
    """Declares how words are chosen.

    Args:
        parser: Argument parser.
        default: Str, the sampler where no argument asks for another.
    """
    group = parser.add_argument_group(
        "choice of words", f"{default} unless an option implies another"
    )
    group.add_argument(
        "--sampler",
        choices=_SAMPLERS,
        help="greedy: the most probable word; ancestral: a draw; top_k, nucleus: a "
        "draw from the likeliest; beam: the likeliest sentence of a search",
    )
    group.add_argument(
        "--greedy", action="store_true", help="short for --sampler greedy"
    )
    add_number(
        group,
        "--temperature",
        "of draws: below 1 likelier words, above 1 more variety (1)",
        kind=float,
        metavar="T",
    )
    add_number(group, "--top-k", "likeliest words (40)", metavar="K")
    add_number(
        group, "--top-p", "mass of the likeliest words (0.9)", kind=float, metavar="P"
    )
    add_number(group, "--beams", "width of beam (5)")
    add_number(
        group,
        "--length-normalization",
        "of beam: log-probability is divided by length ** A (0)",
        kind=float,
        metavar="A",
    )
    group.add_argument(
        "--no-unknown", action="store_true", help="never write the unknown word"
    )
    parser.set_defaults(default_sampler=default)


def make_sampler(args):
    """Creates the sampler that the arguments ask for.

    Args:
        args: Parsed arguments of `add_sampler`.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: If a value is out of range, or an option goes with another
            sampler.
    """
    from tfvae.samplers import Ancestral, BeamSearch, Greedy, Nucleus, TopK

    arguments = {"allow_unknown": not args.no_unknown}
    given = [n for n in _SAMPLER_OPTIONS if getattr(args, n) is not None]
    for name in given:
        option, value = _SAMPLER_OPTIONS[name], getattr(args, name)
        if not option.is_allowed(value):
            raise ValueError(f"{flag_of(name)} {option.rule}. Received: {value}")
        arguments[option.argument] = value
    if args.greedy and args.sampler not in (None, "greedy"):
        raise ValueError(f"--greedy does not go with --sampler {args.sampler}.")
    sampler = "greedy" if args.greedy else args.sampler
    if sampler is None and given:
        sampler = _SAMPLER_OPTIONS[given[0]].samplers[0]
    sampler = sampler or args.default_sampler
    for name in given:
        samplers = _SAMPLER_OPTIONS[name].samplers
        if sampler not in samplers:
            raise ValueError(
                f"{flag_of(name)} does not go with --sampler {sampler}; it is for "
                f"{', '.join(samplers)}."
            )
    kinds = (Ancestral, BeamSearch, Greedy, Nucleus, TopK)
    return dict(zip(_SAMPLERS, kinds, strict=True))[sampler](**arguments)


def flag_of(name):
    """Returns the flag of a parsed argument."""
    return "--" + name.replace("_", "-")


def add_json(parser):
    """Declares `--json FILE`."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the result as JSON; - for standard output, without the table",
    )


def add_writing(parser):
    """Declares how sentences are written."""
    add_number(
        parser,
        "--max-written",
        "most words, or other tokens, of what is written (60)",
        60,
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def check_least(args, least, *names):
    """Checks that numbers are large enough.

    Args:
        args: Parsed arguments.
        least: Int, the smallest that is allowed.
        *names: Str, the arguments to check; those that are `None` are not given.

    Raises:
        ValueError: If one is smaller.
    """
    rules = {0: "must not be negative", 1: "must be positive"}
    for name in names:
        value = getattr(args, name)
        if value is not None and value < least:
            rule = rules.get(least, f"must be at least {least}")
            raise ValueError(f"{flag_of(name)} {rule}. Received: {value}")


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
        with writing_to(args.json) as file:
            json.dump(result, file, indent=2)
            file.write("\n")


@contextlib.contextmanager
def writing_to(path, mode="w"):
    """Opens a file for writing that replaces an older one only when it is whole.

    A device or a pipe is written to as it is.

    Args:
        path: Path of the file.
        mode: `"w"` for UTF-8 or `"wb"` for bytes. Defaults to `"w"`.

    Yields:
        The open file.

    Raises:
        OSError: If it cannot be written; an older file stays and nothing else is left.
    """
    encoding = None if "b" in mode else "utf-8"
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, mode, encoding=encoding) as file:
            yield file
        return
    beside = None
    try:
        # A link stays one.
        with replacing(os.path.realpath(path)) as beside:
            with open(beside, mode, encoding=encoding) as file:
                yield file
    except OSError as error:
        if error.errno is None or error.filename not in (None, beside):
            raise
        raise OSError(error.errno, error.strerror, path) from error


def check_outputs(args, *names, suffixes=("",)):
    """Checks that files can be written before the work for them is done.

    Args:
        args: Parsed arguments.
        *names: Str, the arguments that hold paths; `None` and `-` are none.
        suffixes: Tuple of str, the ends that names of files may have.

    Raises:
        ValueError: If one is a folder, is to lie in a folder that does not exist, is
            another one too, is `-` where there is no such choice, or ends otherwise.
    """
    for name in set(names) - {"json"}:
        if getattr(args, name) == "-":
            raise ValueError(f"{flag_of(name)} must name a file. Received: -")
    paths = {name: getattr(args, name) for name in names}
    paths = {name: path for name, path in paths.items() if path not in (None, "-")}
    if len(set(paths.values())) < len(paths):
        flags = " and ".join(map(flag_of, paths))
        raise ValueError(f"{flags} must name different files.")
    for name, path in paths.items():
        if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or "."):
            raise ValueError(
                f"{flag_of(name)} must name a file in a folder that exists. "
                f"Received: {path}"
            )
        if not path.lower().endswith(suffixes):
            ends = " or ".join(suffixes)
            raise ValueError(f"{flag_of(name)} must end in {ends}. Received: {path}")


def progress_bar(total, unit_name):
    """Creates a bar whose `update(num_done)` shows how far the work is."""
    import keras

    return keras.utils.Progbar(total, unit_name=unit_name)
