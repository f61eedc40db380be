"""Makes the pages with measured figures from the files of docs/results.

    scripts/results.py            writes them
    scripts/results.py --check    exits with 1 if one is not what it would write

`docs/results.md` is `docs/results/page.md`, the pages of `docs/methods` and
`docs/which-remedy.md` are themselves, with what stands between marks replaced. The
figures come from the rows in `docs/results/*/*.json`, which `scripts/reproduce.py`
writes, and from `docs/results/recorded.json`, single measurements with the command and
the commit of each.
"""

import argparse
import collections
import glob
import json
import os
import re
import statistics
import sys

from tfvae.cli.main import import_tensorflow

# Of each kind of row, the key of a metric and its heading.
SENTENCE_COLUMNS = {
    "reconstruction": "reconstruction",
    "kl": "KL",
    "nelbo": "nelbo",
    "nll": "nll",
    "latent_gain": "latent gain",
    "decoder_mi": "decoder MI",
    "mi": "MI",
    "active_units": "active units",
    "critic_elbo": "critic's nelbo",
    "nelbo_minus_log_copula": "nelbo - log c",
}
ANSWER_COLUMNS = {
    "nll": "nll",
    "kl": "KL",
    "nelbo": "nelbo",
    "context_gain": "context gain",
    "latent_gain": "latent gain",
    "allowed_share": "allowed",
    "well_formed_share": "well formed",
    "sentiment_kl": "sentiment KL",
    "response_bleu_f1": "BLEU F1",
    "distinct_responses": "distinct of 10",
    "corpus_dist_1": "dist-1, %",
    "corpus_dist_2": "dist-2, %",
}
RESPONSE_COLUMNS = {
    "response_bleu_2": "BLEU-2, %",
    "response_bleu_4": "BLEU-4, %",
    "response_bleu_recall_method7": "BLEU R",
    "response_bleu_precision_method7": "BLEU P",
    "response_bleu_f1_method7": "BLEU F1",
    "response_entropy": "entropy",
    "corpus_dist_1": "dist-1, %",
    "corpus_dist_2": "dist-2, %",
    "corpus_dist_wae_2": "WAE's dist-2, %",
    "intra_dist_1": "intra-1",
    "intra_dist_2": "intra-2",
    "inter_dist_1": "inter-1",
    "inter_dist_2": "inter-2",
    "bow_average": "average",
    "bow_average_random": "of random",
    "response_length": "length",
}
DIALOGUE_COLUMNS = {
    "nll": "nll",
    "perplexity": "perplexity",
    "kl": "KL",
    "context_gain": "context gain",
    "latent_gain": "latent gain",
} | RESPONSE_COLUMNS
STYLE_COLUMNS = {
    "reconstruction": "reconstruction",
    "grammar_sentiment_reached": "sentiment reached",
    "grammar_content_kept": "all else kept",
    "grammar_grammatical": "grammatical",
    "grammar_topic_kept": "topic kept",
    "grammar_tense_kept": "tense kept",
    "grammar_form_kept": "form kept",
    "transfer_accuracy": "accuracy",
    "transfer_classifier_accuracy": "classifier's own",
    "transfer_self_bleu": "BLEU with source",
    "transfer_joint": "joint",
    "transfer_perplexity": "perplexity",
    "transfer_reverse_perplexity": "reverse perplexity",
    "transfer_copy": "copies",
}
# Of any text, the accuracy of naive Bayes too, a check on that of the other classifier.
REVIEW_COLUMNS = {
    key: heading
    for key, heading in STYLE_COLUMNS.items()
    if not key.startswith("grammar_")
} | {
    "transfer_bayes_accuracy": "accuracy by Bayes",
    "transfer_bayes_classifier_accuracy": "Bayes' own",
}
COLUMNS = {
    "grammar": SENTENCE_COLUMNS,
    "ptb": SENTENCE_COLUMNS,
    "pairs": ANSWER_COLUMNS,
    "dialogue": DIALOGUE_COLUMNS,
    "dialogue metrics_unseen": RESPONSE_COLUMNS,
    "style": STYLE_COLUMNS,
    "yelp": REVIEW_COLUMNS,
}
PICTURE = "grammar.svg"


def read_rows(folder):
    """Reads the rows of a folder.

    Returns:
        Dict from a row's name to the list of its runs, by seed.
    """
    rows = collections.defaultdict(list)
    for path in glob.glob(os.path.join(folder, "*.json")):
        with open(path, encoding="utf-8") as file:
            row = json.load(file)
        rows[row["row"]].append(row)
    return {name: sorted(runs, key=lambda r: r["seed"]) for name, runs in rows.items()}


def cell(runs, key, digits=2, part="metrics", scale=1):
    """Formats the mean of a metric over seeds, and its standard deviation."""
    values = [scale * run[part][key] for run in runs if key in run[part]]
    if not values:
        return ""
    if len(values) == 1 and isinstance(values[0], int):
        return str(values[0])
    # The sum has no negative zero.
    mean = f"{round(statistics.fmean(values), digits) + 0.0:.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def table(rows, order, columns=SENTENCE_COLUMNS, part="metrics"):
    """Formats rows as Markdown, in the order of names.

    Args:
        rows: Dict from a row's name to its runs.
        order: Iterable of names; rows of other names follow.
        columns: Dict from the key of a metric to its heading, which ends with a % where
            hundredths are shown; columns that no run has are left out.
        part: Key of a run, where its metrics are.
    """
    names = [name for name in order if name in rows]
    names += sorted(set(rows) - set(names))
    runs = [run for name in names for run in rows[name]]
    shown = [key for key in columns if any(key in run[part] for run in runs)]
    scales = {key: 100 if columns[key].endswith("%") else 1 for key in shown}
    lines = ["| row | " + " | ".join(columns[key] for key in shown) + " | runs |"]
    lines.append("|---" * (len(shown) + 2) + "|")
    for name in names:
        cells = [cell(rows[name], key, part=part, scale=scales[key]) for key in shown]
        lines.append(f"| `{name}` | " + " | ".join(cells) + f" | {len(rows[name])} |")
    return "\n".join(lines)


def directions(rows):
    """Takes rows of style transfer apart: a row for each label from each other."""
    return {
        f"{name}, {direction}": [
            {"metrics": run["metrics"]["transfer_directions"][direction]}
            for run in runs
        ]
        for name, runs in rows.items()
        for direction in runs[0]["metrics"].get("transfer_directions", ())
    }


def shown(rows, names, headings):
    """Formats what the first runs of rows wrote of the same sentences or contexts."""
    names = [name for name in names if "shown" in rows.get(name, [{}])[0]]
    if not names:
        return "None yet."
    heads = [*headings, *(f"`{name}`" for name in names)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for each in zip(*(rows[name][0]["shown"] for name in names), strict=True):
        # Rows may have read more or fewer turns of the same context.
        given = max((cells[:-1] for cells in each), key=lambda c: len(json.dumps(c)))
        cells = [*given, *(cells[-1] for cells in each)]
        lines.append("| " + " | ".join(map(_text_cell, cells)) + " |")
    return "\n".join(lines)


def _text_cell(value):
    texts = value if isinstance(value, list) else [value]
    return "<br>".join(text.replace("|", "\\|") for text in texts)


def provenance(rows):
    """Says where rows come from: commits and steps."""
    runs = [run for each in rows.values() for run in each]
    if not runs:
        return "Not measured yet."
    commits = sorted({run["commit"] for run in runs if run["commit"]})
    steps = sorted({run["steps"] for run in runs})
    return (
        f"{len(runs)} runs of {len(rows)} rows, {_span(steps)} decoder updates each; "
        f"measured at {', '.join(commits)}."
    )


def _span(values):
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def published(presets):
    """Formats what papers report on the Penn Treebank."""
    lines = ["| preset | published on PTB |", "|---|---|"]
    for name, preset in presets.items():
        if "ptb" in preset.published:
            lines.append(f"| `{name}` | {preset.published['ptb']} |")
    return "\n".join(lines)


def picture(rows, path):
    """Draws reconstruction over KL, a point for the mean of each row."""
    import matplotlib
    from matplotlib.figure import Figure

    points = {
        name: [
            statistics.fmean(run["metrics"][key] for run in runs)
            for key in ("kl", "reconstruction")
        ]
        for name, runs in rows.items()
        if all("kl" in run["metrics"] for run in runs)
    }
    entropies = {
        run["metrics"].get("entropy") for runs in rows.values() for run in runs
    }
    with matplotlib.rc_context({"svg.hashsalt": "tfvae", "svg.fonttype": "none"}):
        figure = Figure((8, 6), layout="constrained")
        axes = figure.subplots()
        for name, (kl, reconstruction) in sorted(points.items()):
            axes.plot(kl, reconstruction, "o", color="#2b6cb0", markersize=4)
            axes.annotate(
                name, (kl, reconstruction), (4, 3), textcoords="offset points", size=6
            )
        for entropy in entropies - {None}:
            axes.axline(
                (0, entropy), slope=-1, color="#718096", linewidth=1, linestyle="--"
            )
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlabel("KL, nats per sentence")
        axes.set_ylabel("reconstruction, nats per sentence")
        figure.savefig(path, format="svg", metadata={"Date": None})


def filled(page, rows, recorded, presets):
    """Replaces the marks of a page.

    Marks are `{{rows KIND}}`, or `{{rows KIND PART}}` for other metrics of a run than
    `"metrics"`, `{{directions KIND}}`, `{{shown KIND ROW ...}}`,
    `{{provenance KIND}}`, `{{published}}`, `{{KIND ROW METRIC}}` and
    `{{recorded NAME}}`.

    Raises:
        ValueError: If a mark is unknown.
    """

    def value(match):
        words = match[1].split()
        if words[0] == "rows":
            if not rows[words[1]]:
                return "None yet."
            columns = COLUMNS[" ".join(words[1:])]
            return table(rows[words[1]], presets, columns, *words[2:])
        if words[0] == "directions":
            apart = directions(rows[words[1]])
            return table(apart, (), COLUMNS[words[1]]) if apart else "None yet."
        if words[0] == "shown":
            kind, *names = words[1:]
            headings = ["sentence", "to"] if kind == "yelp" else ["context"]
            return shown(rows[kind], names, headings)
        if words[0] == "provenance":
            return provenance(rows[words[1]])
        if words == ["published"]:
            return published(presets)
        if words[0] == "recorded":
            return _recorded(recorded[words[1]])
        if len(words) == 3 and words[0] in rows:
            kind, name, key = words
            return cell(rows[kind].get(name, []), key) or "(not measured)"
        raise ValueError(f"There is no mark {match[0]!r}.")

    return re.sub(r"\{\{([^{}]+)\}\}", value, page)


def _recorded(entry):
    lines = [f"Recorded in {entry['commit']}. {entry['text']}"]
    if "table" in entry:
        head, *body = entry["table"]
        lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        lines += ["| " + " | ".join(map(str, line)) + " |" for line in body]
    return "\n".join(lines)


def measured(name, rows, presets):
    """Formats what a page says of its preset, or of all coupled forms."""
    own = [name]
    if name == "coupled":
        own = [each.name for each in presets.values() if each.coupled_form_of]
    beside = ["vae", f"coupled_{name}"]
    beside += [presets[each].coupled_form_of for each in own]
    kind, corpus, anchor = "grammar", "the corpus", "a-corpus-of-known-entropy"
    if name in presets and presets[name].needs_context:
        kind, corpus, anchor = "pairs", "answers to questions", "answers-to-questions"
        beside += ["seq2seq", "cvae"]
    if name in presets and presets[name].needs_label:
        kind, corpus, anchor = "style", "sentiments", "style-transfer"
        beside += ["vae_transfer", "dae_transfer"]
    found = rows.get(kind, {})
    if not any(each in found for each in own):
        return "Not measured yet."
    chosen = {each: found[each] for each in [*beside, *own] if each in found}
    known = "transfer" if kind == "style" else "entropy, nats per sentence"
    return "\n".join(
        [
            f"On {corpus} of known {known}; [all rows](../results.md#{anchor}).",
            "",
            table(chosen, presets, COLUMNS[kind]),
        ]
    )


def with_blocks(page, block):
    """Replaces what stands between `<!-- measured: NAME -->` and `<!-- end -->`.

    Args:
        page: Str.
        block: Function of a name that returns the text.
    """

    def value(match):
        return f"<!-- measured: {match[1]} -->\n{block(match[1])}\n<!-- end -->"

    pattern = r"<!-- measured: (\w+) -->\n.*?<!-- end -->"
    return re.sub(pattern, value, page, flags=re.DOTALL)


def make_pages(docs):
    """Makes all pages.

    Args:
        docs: Path of the folder of documents.

    Returns:
        Dict from path to text.
    """
    from tfvae.presets import PRESETS

    results = os.path.join(docs, "results")
    rows = {kind: read_rows(os.path.join(results, kind)) for kind in COLUMNS}
    with open(os.path.join(results, "recorded.json"), encoding="utf-8") as file:
        recorded = json.load(file)
    pages = {}
    with open(os.path.join(results, "page.md"), encoding="utf-8") as file:
        made = filled(file.read(), rows, recorded, PRESETS)
    pages[os.path.join(docs, "results.md")] = made

    def block(name):
        if name == "table":
            return table(rows["grammar"], PRESETS) if rows["grammar"] else "None yet."
        return measured(name, rows, PRESETS)

    for path in [
        *sorted(glob.glob(os.path.join(docs, "methods", "*.md"))),
        os.path.join(docs, "which-remedy.md"),
    ]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                pages[path] = with_blocks(file.read(), block)
    return pages


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", default="docs", metavar="DIR", help="folder (docs)")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    args = parser.parse_args()
    import_tensorflow()
    stale = []
    for path, text in make_pages(args.docs).items():
        found = None
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = file.read()
        if found != text:
            stale.append(path)
            if not args.check:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
    if args.check:
        for path in stale:
            print(f"{path}: not what the measurements say; run scripts/results.py")
        return 1 if stale else 0
    results = os.path.join(args.docs, "results")
    rows = read_rows(os.path.join(results, "grammar"))
    if rows:
        picture(rows, os.path.join(results, PICTURE))
    print(f"{len(stale)} pages changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
