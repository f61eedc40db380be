"""Entry point of the `tfvae` command."""

import argparse
import importlib
import os
import sys

_COMMANDS = (
    "presets",
    "train",
    "tune",
    "evaluate",
    "generate",
    "reconstruct",
    "interpolate",
    "neighbours",
    "report",
    "export",
    "client",
)


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
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in _COMMANDS:
        module = importlib.import_module(f"tfvae.cli.{name}")
        subparser = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        import_tensorflow()
        return args.run(args) or 0
    except (ValueError, OSError) as error:
        line = " ".join(str(error).split())
        print(f"tfvae {args.command}: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"tfvae {args.command}: interrupted", file=sys.stderr)
        return 130


def import_tensorflow():
    """Imports TensorFlow without its start-up notices, which no user can act on.

    They are written by native code before any setting is read, hence the detour of
    the process's standard error; an exception is raised as ever.
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
