"""A tour: train, measure, sample, reconstruct and interpolate on the grammar corpus."""

import argparse
import itertools
import os
import shutil
import time

from tfvae.cli.main import import_tensorflow


def say(text):
    print(f"\n== {text}", flush=True)


def tour(folder, epochs):
    import_tensorflow()
    from tfvae.evaluation import evaluate, format_table
    from tfvae.models.writing import interpolate
    from tfvae.text import default_grammar, read_lines, write_corpus
    from tfvae.training import RunConfiguration, train

    started = time.time()
    grammar = default_grammar()
    corpus = os.path.join(folder, "corpus")
    say("A corpus from a probabilistic grammar: its entropy is known")
    write_corpus(corpus)
    train_text, valid_text, test_text = (
        os.path.join(corpus, f"{split}.txt") for split in ("train", "valid", "test")
    )
    for text in itertools.islice(read_lines(train_text), 3):
        print(f"  {text}")
    entropy = grammar.entropy()
    print(
        f"True entropy: {entropy:.2f} nats per sentence. No model's NLL can be lower."
    )

    say(f"Training a VAE with free bits for {epochs} epochs")
    configuration = RunConfiguration(
        preset="free_bits_vae",
        train=train_text,
        valid=valid_text,
        epochs=epochs,
        scale_schedules=True,
        overrides={
            "embedding_dim": 64,
            "encoder_dim": 128,
            "decoder_dim": 128,
            "latent_dim": 16,
            "free_bits": 0.3,
            "input_dropout": 0.2,
            "output_dropout": 0.2,
        },
    )
    run = train(configuration, os.path.join(folder, "run"))
    model = run.load_model()

    say("How good is it, on sentences it has not seen?")
    batches = configuration.batches(test_text, model.tokenizer, shuffle=False)
    result = evaluate(model, batches, num_samples=50)
    print(format_table(result))
    own = -sum(map(grammar.log_prob, read_lines(test_text))) / batches.num_sentences()
    print(f"true entropy of the grammar            {entropy:8.3f}  nats/sentence")
    print(f"  of these very sentences              {own:8.3f}  nats/sentence")
    print(f"NLL above the entropy                  {result['nll'] - own:8.3f}")

    say("Sentences from the prior")
    for text in model.generate(5, seed=1):
        print(f"  {text}")

    say("Reconstruction: a sentence, and what its code is decoded to")
    first = list(itertools.islice(read_lines(test_text), 4))
    for text, again in zip(first, model.reconstruct(first), strict=True):
        print(f"  {text}\n> {again}")

    say("From one sentence to another")
    print(f"  {first[0]}")
    for fraction, text in interpolate(model, first[0], first[1]):
        print(f"{fraction:5.2f}  {text}")
    print(f"  {first[1]}")

    say(f"Done in {time.time() - started:.0f} s. The run is in {run.path}. Next:")
    tfvae = os.path.join(".venv", "bin", "tfvae")
    print(f"  {tfvae} evaluate {run.path} --data {test_text}")
    print(f"  {tfvae} generate {run.path} --num 10 --seed 2")
    print(f'  {tfvae} interpolate {run.path} "{first[2]}" "{first[3]}"')
    print(f"  {tfvae} train vae --train YOUR.txt --valid YOURS.txt --out runs/mine")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default=os.path.join("runs", "demo"))
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    # The demo's own folder; a run of the user's is never replaced.
    if args.out == parser.get_default("out"):
        shutil.rmtree(args.out, ignore_errors=True)
    elif os.path.exists(args.out):
        parser.error(f"{args.out} exists; choose another folder")
    tour(args.out, args.epochs)
