"""The model card that lies beside an export."""

import json
import os

import tensorflow as tf

from tfvae import __version__

_BEHAVIOUR = """\
- Every input and output has one row a request in its first dimension. A row's outputs
  depend on that row's inputs alone, so a server may batch.
- `seed`, two int32 a row, decides all of a row's randomness.
- `temperature` 0 (or less) writes the most probable word at each step; above, words
  are drawn from the softmax of `logits / temperature`.
- `text` is split at whitespace. Bytes that are not UTF-8 become U+FFFD. A text without
  words is the empty sentence. After {max_length} words a text is cut and `truncated` is
  true.
- `token_ids` holds at most {max_length} words and `</s>` (id 2), then padding (id 0);
  `lengths` counts the ids before the padding. Without `</s>` the sentence was broken
  off.
- A wrong shape of an input is an error of that request.
"""


def make_model_card(engine, signatures, functions, *, run=None, metrics=None):
    """Collects what a user of an export must know.

    Args:
        engine: `InferenceEngine`.
        signatures: Dict of `Signature`s.
        functions: Dict of their concrete functions.
        run: Dict of `configuration` and `state`, or `None`.
        metrics: Dict of metrics, or `None`.

    Returns:
        Dict that JSON can hold.
    """
    model = engine.model
    components = {
        name: type(getattr(model, name)).__name__
        for name in ("encoder", "posterior", "prior", "decoder", "tokenizer")
        if getattr(model, name) is not None
    }
    return {
        "model": type(model).__name__,
        "components": components,
        "vocabulary_size": model.tokenizer.vocabulary_size,
        "latent_dim": model.posterior.latent_dim if engine.has_latent else None,
        "num_updates": int(model.step.numpy()),
        "max_length": engine.max_length,
        "likelihood": _likelihood(engine),
        "num_samples": engine.num_samples,
        "kl_method": engine.kl_method,
        "run": run,
        "metrics": metrics,
        "signatures": {
            name: {
                "description": signature.description,
                "inputs": _specs(signature.inputs),
                "outputs": _specs(functions[name].structured_outputs),
            }
            for name, signature in signatures.items()
        },
        "default_signature": next(iter(signatures)),
        "versions": {"tfvae": __version__, "tensorflow": tf.__version__},
    }


def write_model_card(folder, card, name):
    """Writes `model_card.json` and, for people, `README.md`.

    Args:
        folder: Path.
        card: Dict of `make_model_card`.
        name: Str, the model's name.
    """
    with open(os.path.join(folder, "model_card.json"), "w", encoding="utf-8") as file:
        json.dump(card, file, indent=2)
        file.write("\n")
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
        file.write(_readme(card, name))


def _likelihood(engine):
    if not engine.has_latent:
        return "nll is exact; the seed does not matter"
    if engine.kl_method is None:
        return f"none is defined; reconstruction is at {engine.num_samples} sample"
    return (
        f"nll is importance weighted, {engine.num_samples} samples a text; "
        f"kl is {engine.kl_method}"
    )


def _specs(tensors):
    return {
        name: {"dtype": tensor.dtype.name, "shape": tensor.shape.as_list()}
        for name, tensor in sorted(tensors.items())
    }


def _readme(card, name):
    components = ", ".join(f"{key} {kind}" for key, kind in card["components"].items())
    lines = [f"# {name}", "", f"A {card['model']} of text: {components}."]
    if card["run"] is not None:
        configuration, state = card["run"]["configuration"], card["run"]["state"]
        lines.append(
            f"Preset `{configuration['preset']}`, setting `{configuration['setting']}`."
        )
        if not (state.get("finished") or state.get("stopped")):
            lines.append("**Exported before its training was finished.**")
    lines.append(
        f"Trained for {card['num_updates']} updates; {card['vocabulary_size']} words; "
        f"{card['likelihood']}."
    )
    lines += ["", "## Signatures", ""]
    lines.append(f"`serving_default` is `{card['default_signature']}`.")
    for key, signature in card["signatures"].items():
        lines += ["", f"### `{key}`", "", f"{signature['description']}", ""]
        lines += ["| | name | dtype | shape |", "|---|---|---|---|"]
        for side in ("inputs", "outputs"):
            for tensor, spec in signature[side].items():
                shape = ["B" if size is None else size for size in spec["shape"]]
                shape = ", ".join(map(str, shape))
                row = f"| {side[:-1]} | `{tensor}` | {spec['dtype']} | [{shape}] |"
                lines.append(row)
    behaviour = _BEHAVIOUR.format(max_length=card["max_length"])
    lines += ["", "## Behaviour", "", behaviour]
    for title, key in (("Metrics", "metrics"), ("Run", "run")):
        if card[key] is not None:
            dump = json.dumps(card[key], indent=2)
            lines += [f"## {title}", "", "```json", dump, "```", ""]
    versions = ", ".join(f"{key} {value}" for key, value in card["versions"].items())
    lines.append(f"Written by {versions}.")
    return "\n".join(lines) + "\n"
