"""`tfvae train` and `presets`: the configuration of a run, training, what there is."""

import ast
import dataclasses
import shlex

from tfvae.cli.options import (
    Command,
    add_json,
    add_no_header,
    add_number,
    check_outputs,
    show,
)


def add_configuration(parser):
    """Declares what a configuration holds beside its preset and texts."""
    parser.add_argument(
        "--setting",
        metavar="NAME",
        help="network and training regime of a paper: copula, coupled, mine, wae, "
        "ivae, wae_dialogue, dialogue or style (default: ivae)",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        action="extend",
        metavar="KEY=VALUE",
        help="change an option of the preset or a field of the setting, such as "
        "beta=0.5 or latent_dim=16; `tfvae presets --keys` lists them",
    )
    length = parser.add_mutually_exclusive_group()
    add_number(length, "--epochs", "passes over the text")
    add_number(length, "--steps", "batches to train on")
    parser.add_argument(
        "--scale-schedules",
        action="store_true",
        help="shrink or stretch annealing and learning-rate decay to the length of "
        "training; without it they take the paper's number of steps or epochs",
    )
    add_number(parser, "--batch-size", "sentences")
    add_number(parser, "--max-length", "longest sentence in words, or other tokens")
    parser.add_argument(
        "--too-long",
        choices=["error", "truncate", "drop"],
        default="error",
        help="what becomes of longer sentences (default: error)",
    )
    parser.add_argument(
        "--column",
        default="text",
        metavar="NAME",
        help="name or number of the column of the sentences in .csv, .tsv and .jsonl "
        "files (default: text)",
    )
    add_no_header(parser)
    parser.add_argument(
        "--tokenizer",
        choices=["word", "wordpiece", "character"],
        help="what a token is (default: word, or what it is in the run of --from)",
    )
    add_number(
        parser,
        "--unknown-share",
        "share of the words of training that are replaced by <unk>, so that the model "
        "learns what to make of unknown words (default: 0)",
        0.0,
        kind=float,
        metavar="P",
    )
    parser.add_argument(
        "--context-column",
        metavar="NAME",
        help="column of what each sentence answers, a text or the turns of a dialogue: "
        "makes any preset conditional",
    )
    parser.add_argument(
        "--label-column",
        metavar="NAME",
        help="column of the labels, texts or ints: any preset then writes sentences "
        "of a wanted label",
    )
    add_number(
        parser,
        "--max-turns",
        "contexts are dialogues, of which the model reads at most the last N turns",
    )
    add_number(
        parser,
        "--max-context-length",
        "longest context, or turn of one, in tokens (as sentences)",
    )
    add_number(
        parser, "--patience", "stop after N epochs without a better validation metric"
    )
    parser.add_argument(
        "--monitor",
        metavar="METRIC",
        help="validation metric that the best model is chosen by, such as val_nelbo or "
        "val_mi (default: what the preset declares, see docs/training.md)",
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        metavar="DIR",
        help="start from the weights and the vocabulary of the best model of another "
        "run, whose setting and sizes hold where none are given",
    )
    parser.add_argument(
        "--freeze",
        choices=["encoder", "decoder", "embedding"],
        help="what keeps the weights that it has from --from or --word-vectors",
    )
    parser.add_argument(
        "--word-vectors",
        metavar="FILE",
        help="word vectors that the embeddings begin with, in the text format of GloVe "
        "or word2vec; .gz may follow",
    )
    parser.add_argument(
        "--xla",
        choices=["auto", "always", "never"],
        default="auto",
        help="when XLA compiles a program for each length of batch, which takes a few "
        "seconds each; auto: on an accelerator (auto)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")


def make_configuration(args, searched=()):
    """Creates the `RunConfiguration` of parsed arguments.

    Where it starts from a run, that run's setting, sizes and weights hold unless others
    are given.

    Args:
        args: Namespace of the options that `add_configuration` declares.
        searched: Names of what the run that it starts from is not asked for.

    Raises:
        FileNotFoundError: If there is no run to start from.
        ValueError: If a value is refused.
    """
    from tfvae.presets import get_preset
    from tfvae.training import RunConfiguration, RunFolder
    from tfvae.training.run_configuration import VOCABULARY_FIELDS, setting_fields

    names = {field.name for field in dataclasses.fields(RunConfiguration)}
    given = {name: value for name, value in vars(args).items() if name in names}
    given["setting"] = args.setting or "ivae"
    given["tokenizer"] = args.tokenizer or "word"
    given["overrides"] = parse_overrides(args.set)
    # What these need is checked when it is known what the run starts from.
    start_from = given.pop("start_from")
    begins = {name: given.pop(name) for name in ("freeze", "word_vectors")}
    configuration = RunConfiguration(**given)
    if start_from is None:
        return dataclasses.replace(configuration, **begins)
    source = RunFolder(start_from).load_configuration()
    if args.tokenizer not in (None, source.tokenizer):
        raise ValueError(
            f"--from takes the tokenizer of that run, {source.tokenizer}, along. "
            f"Received: --tokenizer {args.tokenizer}"
        )
    known = {**setting_fields(), **get_preset(args.preset).options}
    # The vocabulary comes along as it is.
    known = set(known) - set(VOCABULARY_FIELDS) - set(searched)
    overrides = {k: v for k, v in source.overrides.items() if k in known}
    return dataclasses.replace(
        configuration,
        setting=args.setting or source.setting,
        overrides={**overrides, **configuration.overrides},
        max_length=args.max_length or source.max_length,
        tokenizer=source.tokenizer,
        start_from=start_from,
        **begins,
    )


def command_to_write(folder, data):
    """Returns the command that shows what the model of a run writes.

    Args:
        folder: `RunFolder`.
        data: Str, path of a text with what the model reads.

    Returns:
        Str.
    """
    configuration = folder.load_configuration()
    if configuration.context_column is not None:
        return f"tfvae respond {folder.path} --data {data}"
    label = ""
    if configuration.label_column is not None:
        label = f" --label {shlex.quote(configuration.label_names[-1])}"
    return f"tfvae generate {folder.path}{label} --num 10"


def parse_overrides(pairs):
    """Reads `key=value` pairs; values are Python literals, `true`, `false` or words.

    Raises:
        ValueError: If a pair has no `=`.
    """
    overrides = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--set takes KEY=VALUE. Received: {pair!r}")
        try:
            overrides[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            overrides[key] = {"true": True, "false": False}.get(value, value)
    return overrides


def _add_train(parser):
    parser.add_argument("preset", help="see `tfvae presets`")
    parser.add_argument("--train", required=True, metavar="FILE", help="training text")
    parser.add_argument("--valid", metavar="FILE", help="validation text")
    parser.add_argument("--out", required=True, metavar="DIR", help="run folder")
    add_configuration(parser)
    parser.add_argument(
        "--strategy",
        choices=["none", "mirrored", "multi_worker"],
        default="none",
        help="share each batch among all GPUs of this machine, or among the machines "
        "of the environment variable TF_CONFIG, where the same command is run on each "
        "and the first keeps --out (default: none)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --out after its last whole epoch; with more --epochs "
        "than it had, train it longer",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="a line an epoch instead of a bar"
    )


def _train(args):
    from tfvae.training import train
    from tfvae.training.callbacks import LatentMetrics

    configuration = make_configuration(args)
    callbacks = []
    if configuration.valid is not None:
        callbacks.append(
            LatentMetrics(
                lambda model: configuration.validation_batches(model.tokenizer)
            )
        )
    folder = train(
        configuration,
        args.out,
        resume=args.resume,
        strategy=args.strategy,
        verbose=2 if args.quiet else "auto",
        callbacks=callbacks,
        log=print,
    )
    if folder is None:
        print("This worker is done; the first one keeps the run folder.")
        return
    state = folder.load_state()
    length = _counted(state["epoch"], "epoch")
    if configuration.steps is not None and state["finished"]:
        length = _counted(configuration.steps, "step")
    best = "" if state["best"] is None else f", best {state['best']:.3f}"
    print(f"{folder.path}: {length}{best} (epoch {state['best_epoch']})")
    print("Next:")
    print(f"  tfvae evaluate {folder.path} --data {args.valid or args.train}")
    print(f"  {command_to_write(folder, args.valid or args.train)}")


def _counted(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


TRAIN = Command(
    "train a preset on a text file",
    """\
Train a preset on a text and keep everything about the run in one folder:
  model.keras   the best model by validation (the last one without --valid)
  last.keras    the state after the last whole epoch, for --resume
  recipe.json   everything needed to repeat the run
  history.csv   one row an epoch; logs/ holds the same for TensorBoard

The text is one sentence a line, or the column named by --column of a .csv, .tsv or
.jsonl file; .gz may follow. Words are what stands between white space.

example:
  tfvae train vae --train train.txt --valid valid.txt --out runs/vae --epochs 10
  tfvae train beta_vae --train train.txt --out runs/b --set beta=0.5 latent_dim=16
  tfvae train vae --from runs/vae --train other.txt --out runs/other --epochs 2
""",
    _add_train,
    _train,
)


def _add_presets(parser):
    parser.add_argument("--keys", action="store_true", help="list what --set changes")
    add_json(parser)


def _presets(args):
    from tfvae.presets import PRESETS, SETTINGS
    from tfvae.training.run_configuration import setting_fields

    check_outputs(args, "json")
    result = {
        "presets": {
            name: {
                "summary": preset.summary,
                "paper": preset.paper,
                "options": preset.options,
                "published": preset.published,
            }
            for name, preset in PRESETS.items()
        },
        "settings": {
            name: {
                "source": setting.source,
                "fields": {key: getattr(setting, key) for key in setting_fields()},
            }
            for name, setting in SETTINGS.items()
        },
    }
    show(args, result, _list_presets(result, args.keys))


def _list_presets(result, with_keys):
    lines = ["Presets:"]
    width = 2 + max(map(len, result["presets"]))
    indent = " " * (2 + width)
    for name, preset in result["presets"].items():
        lines.append(f"  {name:{width}}{preset['summary']}")
        lines.append(f"{indent}paper: {preset['paper']}")
        for data, metrics in preset["published"].items():
            lines.append(f"{indent}published, {data}: {metrics}")
        if with_keys and preset["options"]:
            options = (f"{key}={value!r}" for key, value in preset["options"].items())
            lines.append(f"{indent}--set {' '.join(options)}")
    lines += ["", "Settings (--setting NAME):"]
    for name, setting in result["settings"].items():
        lines.append(f"  {name:{width}}{setting['source']}")
    if with_keys:
        lines += ["", "Fields of the settings, for --set:"]
        settings = result["settings"]
        lines.append(f"  {'':20}" + "".join(f"{name:>13}" for name in settings))
        for key in next(iter(settings.values()))["fields"]:
            values = (str(each["fields"][key]) for each in settings.values())
            lines.append(f"  {key:20}" + "".join(f"{value:>13}" for value in values))
    return "\n".join(lines)


PRESETS = Command(
    "list presets, settings and what --set can change",
    """\
List the presets (published models), the settings (the papers' networks and training
regimes, which any preset can be trained in) and, with --keys, everything that
`tfvae train --set KEY=VALUE` can change, with its default.
""",
    _add_presets,
    _presets,
)
