"""What commands read: the model of a run and the sentences of a file."""

import itertools
import sys

from tfvae.cli.options import add_number

# Sentences whose lengths are checked at once.
_CHUNK = 1000


def add_run(parser):
    """Declares the folder of a run, and which of its models is meant."""
    parser.add_argument("run_folder", metavar="DIR", help="folder of `tfvae train`")
    parser.add_argument(
        "--last",
        action="store_true",
        help="take the model after the last whole epoch, not the best one",
    )


def add_column(parser, default="the run's"):
    """Declares the column of a table."""
    parser.add_argument(
        "--column",
        metavar="NAME",
        help="name or number of the column of the sentences in .csv, .tsv and .jsonl "
        f"files ({default})",
    )
    parser.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        help="the first row of a .csv or .tsv file is a sentence, not names",
    )


def add_limits(parser, choices=("error", "truncate", "drop")):
    """Declares how long a sentence may be that is read."""
    add_number(parser, "--max-length", "longest sentence read, in tokens (the run's)")
    parser.add_argument(
        "--too-long",
        choices=choices,
        help="what becomes of longer sentences (the run's, which is error unless "
        "training was told another)",
    )


def check_data_options(args, *more):
    """Refuses what says how `--data` is read where there is none.

    Args:
        args: Parsed arguments of `add_column`, with `data`.
        *more: Str, other arguments that then have no meaning.

    Raises:
        ValueError: If one of them is given.
    """
    if args.data is not None:
        return
    given = [name for name in ("column", *more) if getattr(args, name) is not None]
    flags = [f"--{name.replace('_', '-')}" for name in given]
    if not args.header:
        flags.append("--no-header")
    if flags:
        raise ValueError(
            f"{' and '.join(flags)}: this is about the sentences of --data, and there "
            "are none. Leave it out, or give --data FILE."
        )


def load_run(args):
    """Loads the configuration and the model of a run.

    Args:
        args: Parsed arguments of `add_run`.

    Returns:
        Tuple of a `RunConfiguration` and a model.

    Raises:
        FileNotFoundError: If there is no run, or no model yet.
        ValueError: If a file is damaged.
    """
    from tfvae.training import RunFolder, load_model

    folder = RunFolder(args.run_folder)
    configuration = folder.load_configuration()
    if not args.last:
        return configuration, folder.load_model()
    folder.recover()
    return configuration, load_model(folder.last)


def columns_of(args, configuration):
    """Returns how `--data` is read, dict of the arguments of `read_texts`."""
    columns = configuration.columns(args.data)
    if args.column is not None:
        columns["column"] = args.column
    if not args.header:
        columns["header"] = False
    return columns


class Reader:
    """Reads sentences that a model takes, none of them cut without a word.

    Args:
        args: Parsed arguments of `add_limits`, with `command`; for a file also those
            of `add_column`, with `data`.
        configuration: `RunConfiguration` of the run.
        model: The run's model.

    Attributes:
        max_length: Int, the most tokens of a sentence.

    Raises:
        ValueError: If the model reads contexts beside the sentences.
    """

    def __init__(self, args, configuration, model):
        if model.requires:
            raise ValueError(
                f"{args.run_folder}: the run's model answers contexts, and "
                f"{args.command} has none for it. Use `tfvae respond` to write, "
                "`tfvae evaluate` to measure."
            )
        self.max_length = args.max_length or configuration.resolved_setting().max_length
        self._too_long = args.too_long or configuration.too_long
        self._args = args
        self._configuration = configuration
        self._tokenizer = model.tokenizer
        self._noted = False

    def sentences(self, keep_blank=False):
        """Reads the sentences of `--data`.

        Sentences that are too long are left out here or come whole, for the model to
        cut after `max_length`; how many is noted on standard error.

        Args:
            keep_blank: Whether blank lines come too, as `""`.

        Yields:
            Tuples of the number of a line, from 1, and its sentence.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is malformed, or a sentence too long, named by its
                line.
        """
        from tfvae.text import read_numbered

        path = self._args.data
        columns = columns_of(self._args, self._configuration)
        numbered = read_numbered(path, keep_blank=keep_blank, **columns)
        num_long = 0
        while chunk := list(itertools.islice(numbered, _CHUNK)):
            lengths = self._lengths([text for _, text in chunk])
            for (line, text), length in zip(chunk, lengths, strict=True):
                place = f"{path}, line {line}"
                if text and not length:
                    raise ValueError(f"{place}: the sentence has no words.")
                if length > self.max_length:
                    num_long += 1
                    self._refuse(place, length)
                    if self._too_long == "drop":
                        continue
                yield line, text
        self._note(num_long)

    def texts(self):
        """Reads the sentences of `--data` without their lines."""
        return (text for _, text in self.sentences())

    def check(self, texts):
        """Checks sentences of the command line, of which none is left out.

        Raises:
            ValueError: If one has no words or is too long.
        """
        for text, length in zip(texts, self._lengths(texts), strict=True):
            if not length:
                raise ValueError(f"A sentence needs words. Received: {text!r}")
            if length > self.max_length:
                shown = text if len(text) <= 40 else f"{text[:40]}..."
                self._refuse(repr(shown), length, drops=False)

    def _lengths(self, texts):
        return self._tokenizer.encode_batch(texts)[1]

    def _refuse(self, place, length, drops=True):
        if self._too_long == "truncate" or (drops and self._too_long == "drop"):
            return
        remedies = "truncate or drop" if drops else "truncate"
        raise ValueError(
            f"{place}: the sentence has {length} tokens, more than "
            f"{self.max_length}. Raise --max-length, or pass --too-long {remedies}."
        )

    def _note(self, num_long):
        """Notes once, however often the file is read."""
        if num_long and not self._noted:
            what = "left out" if self._too_long == "drop" else "cut"
            note_long(self._args, num_long, what, self.max_length)
        self._noted = True


def note_long(args, num, what, max_length):
    """Notes on standard error what became of sentences that are too long.

    Args:
        args: Parsed arguments.
        num: Int, such sentences.
        what: Str, what was done with them.
        max_length: Int, the most tokens.
    """
    are = "sentence was" if num == 1 else "sentences were"
    note(args, f"{num} {are} {what}, having more than {max_length} tokens.")


def note(args, line):
    """Writes what a user should know on standard error."""
    print(f"tfvae {args.command}: note: {line}", file=sys.stderr)
