"""Entry point of the `tfvae` command."""

import argparse
import importlib
import os
import sys

# Each subcommand: the module that is imported for it and its `Command` there.
COMMANDS = {
    "presets": ("tfvae.cli.train", "PRESETS"),
    "train": ("tfvae.cli.train", "TRAIN"),
    "tune": ("tfvae.cli.tune", "TUNE"),
    "evaluate": ("tfvae.cli.evaluate", "EVALUATE"),
    "respond": ("tfvae.cli.conditional", "RESPOND"),
    "transfer": ("tfvae.cli.conditional", "TRANSFER"),
    "generate": ("tfvae.cli.generate", "GENERATE"),
    "reconstruct": ("tfvae.cli.generate", "RECONSTRUCT"),
    "interpolate": ("tfvae.cli.generate", "INTERPOLATE"),
    "encode": ("tfvae.cli.encode", "ENCODE"),
    "neighbours": ("tfvae.cli.encode", "NEIGHBOURS"),
    "report": ("tfvae.cli.report", "REPORT"),
    "export": ("tfvae.cli.serve", "EXPORT"),
    "client": ("tfvae.cli.serve", "CLIENT"),
}


def main(argv=None):
    """Runs the command line.

    A user's mistake prints one line on standard error and exits with 2.

    Args:
        argv: List of str, or `None` for the process's arguments.

    Returns:
        Int, the exit status.
    """
    parser = argparse.ArgumentParser(
        prog="tfvae",
        description="Train, measure and sample variational autoencoders of text.",
        epilog="`tfvae COMMAND --help` explains each command.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, attribute) in COMMANDS.items():
        command = getattr(importlib.import_module(module), attribute)
        subparser = commands.add_parser(
            name,
            help=command.help,
            description=command.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # An option of another command would be taken for one that begins like it.
            allow_abbrev=False,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    args = parser.parse_args(argv)
    try:
        import_tensorflow()
        args.run(args)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does. Python flushes once more at its
        # end and would report a second failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if args.command not in ("train", "tune"):
            return 0
        print(f"tfvae {args.command}: interrupted: output closed", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        line = " ".join(str(error).split())
        if isinstance(error, OSError) and error.filename:
            # Not the number of the system's error, which says nothing.
            line = f"{error.filename}: {error.strerror}."
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                line += " Check the path."
        print(f"tfvae {args.command}: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"tfvae {args.command}: interrupted", file=sys.stderr)
        return 130
    except _memory_errors() as error:
        line = str(error).splitlines()[0][:200] if str(error) else "no more to be had"
        print(
            f"tfvae {args.command}: error: not enough memory: {line}. Take a smaller "
            "--batch-size, shorter sentences or a smaller model.",
            file=sys.stderr,
        )
        return 2


def _memory_errors():
    """Returns what is raised where memory ends; called only when something is."""
    import tensorflow as tf

    return MemoryError, tf.errors.ResourceExhaustedError


def import_tensorflow():
    """Imports TensorFlow without its start-up notices, which no user can act on.

    They are written by native code before any setting is read, so the process's
    standard error is redirected meanwhile; an exception is raised as ever.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("tfvae.training")
    finally:
        os.dup2(stderr, 2)
        os.close(nowhere)
        os.close(stderr)


if __name__ == "__main__":
    sys.exit(main())
