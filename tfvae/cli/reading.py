"""What commands read: the model of a run and the sentences of a file."""

import itertools
import sys

from tfvae.cli.options import add_no_header, add_number, flag_of

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
    add_no_header(parser)


def add_label_column(parser):
    """Declares the column of the labels of a table."""
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        help="column of the labels, for a run with labels (the run's)",
    )


def add_label(parser, what):
    """Declares `--label`, the label of `what` the command line gives."""
    parser.add_argument(
        "--label", metavar="NAME", help=f"the label of {what}, for a run with labels"
    )


def add_turn(parser, what):
    """Declares `--turn`, the context of the command line, and `what` it is for."""
    parser.add_argument(
        "--turn",
        action="append",
        metavar="TEXT",
        help=f"a turn of the context {what}, for a run with contexts; given again for "
        "each further turn, the oldest first",
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
    names = ("column", *more)
    flags = [flag_of(name) for name in names if getattr(args, name) is not None]
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

    Where the model reads contexts or labels, a sentence comes with its own, in the
    run's columns.

    Args:
        args: Parsed arguments of `add_limits`, with `command`; for a file also those
            of `add_column`, with `data`.
        configuration: `RunConfiguration` of the run.
        model: The run's model.
        reads_label: Whether a model that reads labels gets those of the sentences.
            Defaults to `True`.

    Attributes:
        max_length: Int, the most tokens of a sentence.
        max_context_length: Int, the most tokens of a context, or of a turn of one;
            `None` where the model reads none.

    Raises:
        ValueError: If a column is named that the model reads nothing of.
    """

    def __init__(self, args, configuration, model, reads_label=True):
        for what in ("context", "label"):
            named = getattr(args, f"{what}_column", None) is not None
            if named and what not in model.requires:
                raise ValueError(
                    f"{args.run_folder}: the run reads no {what}s. Leave "
                    f"--{what}-column out."
                )
        longest = configuration.resolved_setting().max_length
        self.max_length = args.max_length or longest
        self.max_context_length = None
        if "context" in model.requires:
            self.max_context_length = configuration.max_context_length or longest
        self._max_turns = configuration.max_turns
        self._too_long = args.too_long or configuration.too_long
        self._args = args
        self._configuration = configuration
        self._model = model
        self._has_label = reads_label and "label" in model.requires
        self._noted = False

    def rows(self, keep_blank=False, has_text=True):
        """Reads the sentences of `--data`, with their contexts and labels.

        Rows that are too long are left out here. Sentences that are to be cut come
        whole, for the model to cut after `max_length` and `max_context_length`, and
        contexts of too many turns with their last ones. How many is noted on standard
        error.

        Args:
            keep_blank: Whether blank lines come too, as `""`, where a sentence comes
                alone.
            has_text: Whether there are sentences; else contexts are read alone.

        Yields:
            Tuples of the number of a line, from 1, and its sentence, a str; with a
            context or label a dict of `"text"`, `"context"` and `"label"`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is malformed, a sentence or context too long or a
                label unknown, named by its line.
        """
        from tfvae.models.inputs import text_of
        from tfvae.text.vocabulary import chunks

        long_texts = long_contexts = 0
        for chunk in chunks(self._numbered(keep_blank, has_text), _CHUNK):
            texts = [text_of(row) for _, row in chunk] if has_text else []
            contexts = []
            if self._has_context:
                contexts = [as_turns(row["context"]) for _, row in chunk]
            flat = [*texts, *itertools.chain.from_iterable(contexts)]
            lengths = iter(self._lengths(flat).tolist())
            of_texts = list(itertools.islice(lengths, len(texts)))
            for index, (line, row) in enumerate(chunk):
                place = f"{self._args.data}, line {line}"
                is_long = has_text and self._is_long(
                    place, texts[index], of_texts[index]
                )
                long_texts += is_long
                if self._has_context:
                    of_turns = list(itertools.islice(lengths, len(contexts[index])))
                    kept, is_cut = self._kept(
                        place, contexts[index], of_turns, drops=has_text
                    )
                    row = {**row, "context": kept}
                    long_contexts += is_cut
                    is_long |= is_cut
                if self._has_label:
                    self._check_label(place, row["label"])
                if not (is_long and self._too_long == "drop"):
                    yield line, row
        self._note(long_texts, long_contexts)

    def texts(self):
        """Reads the rows of `--data` without their lines."""
        return (row for _, row in self.rows())

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
                self._refuse(repr(shown), "sentence", length, drops=False)

    def context(self, turns):
        """Checks the context of the command line.

        Args:
            turns: List of str, its turns, the oldest first; empty or `None` for none.

        Returns:
            Str, or list of str where the model reads turns, the last ones if there are
            too many and they may be cut; `None` for a model that reads none.

        Raises:
            ValueError: If it is missing, not wanted, empty or too long.
        """
        folder = self._args.run_folder
        if not self._has_context:
            if turns:
                raise ValueError(
                    f"{folder}: the run's model reads no context. Leave --turn out."
                )
            return None
        if not turns:
            raise ValueError(
                f"{folder}: the run's model reads a context beside each sentence. Give "
                "its turns by --turn, the oldest first."
            )
        lengths = self._lengths(turns).tolist()
        return self._kept("The context", turns, lengths, drops=False)[0]

    def label(self, name):
        """Checks the label of the command line.

        Args:
            name: Str, or `None` for none.

        Returns:
            Str, or `None` for a model that reads none.

        Raises:
            ValueError: If it is missing, not wanted or unknown.
        """
        if name is None and self._has_label:
            raise ValueError(
                f"{self._args.run_folder}: the run's model reads a label. Give it by "
                f"--label, one of {', '.join(self._model.label_names)}."
            )
        if name is not None:
            self._check_label(self._args.run_folder, name)
        return name

    @property
    def _has_context(self):
        return self.max_context_length is not None

    def _numbered(self, keep_blank, has_text):
        """Reads lines or rows, with their numbers."""
        from tfvae.text import read_numbered
        from tfvae.text.readers import read_records

        path, configuration = self._args.data, self._configuration
        columns = columns_of(self._args, configuration)
        if not (self._has_context or self._has_label):
            return read_numbered(path, keep_blank=keep_blank, **columns)
        beside = {}
        for key, is_read in (
            ("context_column", self._has_context),
            ("label_column", self._has_label),
        ):
            if is_read:
                own = getattr(self._args, key, None)
                beside[key] = own or getattr(configuration, key)
        return read_records(
            path,
            columns.get("column", "text") if has_text else None,
            **beside,
            header=columns.get("header", True),
        )

    def _check_label(self, place, label):
        """Refuses a label of a file that the model does not know."""
        try:
            self._model.label_number(label)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None

    def _is_long(self, place, text, length):
        """Checks a sentence of a file; tells whether it is to be cut or left out."""
        if text and not length:
            raise ValueError(f"{place}: the sentence has no words.")
        if length <= self.max_length:
            return False
        self._refuse(place, "sentence", length)
        return True

    def _kept(self, place, turns, lengths, drops=True):
        """Checks a context; returns what is read of it and whether that is not all."""
        for turn, length in zip(turns, lengths, strict=True):
            if not length:
                raise ValueError(f"{place}: a context needs words. Received: {turn!r}")
        if self._max_turns is None and len(turns) > 1:
            raise ValueError(
                f"{place}: the run reads contexts of one text. Received: {len(turns)} "
                "turns. Give one, or train with --max-turns."
            )
        most, longest = self._max_turns or 1, self.max_context_length
        if len(turns) > most:
            self._refuse(place, "context", len(turns), most, "turns", drops=drops)
        if max(lengths) > longest:
            what = "context" if self._max_turns is None else "turn"
            self._refuse(place, what, max(lengths), longest, drops=drops)
        is_cut = len(turns) > most or max(lengths) > longest
        return turns[0] if self._max_turns is None else turns[-most:], is_cut

    def _lengths(self, texts):
        return self._model.tokenizer.encode_batch(texts)[1]

    def _refuse(self, place, what, num, most=None, unit="tokens", drops=True):
        """Refuses what is too long, unless it may be cut or left out."""
        if self._too_long == "truncate" or (drops and self._too_long == "drop"):
            return
        remedy = "--too-long " + ("truncate or drop" if drops else "truncate")
        if what == "sentence":
            remedy = f"Raise --max-length, or pass {remedy}."
        else:
            remedy = f"The run reads no more: pass {remedy}."
        most = self.max_length if most is None else most
        raise ValueError(
            f"{place}: the {what} has {num} {unit}, more than {most}. {remedy}"
        )

    def _note(self, long_texts, long_contexts):
        """Notes once, however often the file is read."""
        if self._noted:
            return
        self._noted = True
        what = "left out" if self._too_long == "drop" else "cut"
        if long_texts:
            note_long(self._args, long_texts, what, self.max_length)
        if long_contexts:
            are = "context was" if long_contexts == 1 else "contexts were"
            note(
                self._args, f"{long_contexts} {are} longer than the run's, and {what}."
            )


def as_turns(context):
    """Returns a context, a text or the turns of a dialogue, as a list of turns."""
    return [context] if isinstance(context, str) else context


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
