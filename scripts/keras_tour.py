"""Trains a model of tfvae as any other Keras model, with the callbacks of Keras."""

import os
import tempfile
import time

from tfvae.cli.main import import_tensorflow

VALID_SIZE, TRAIN_SIZE, BATCH_SIZE, MAX_EPOCHS = 200, 1000, 50, 8


def pipeline(sentences, tokenizer):
    """Creates a plain `tf.data` pipeline from strings to padded batches."""
    import tensorflow as tf

    return (
        tf.data.Dataset.from_tensor_slices(sentences)
        .batch(BATCH_SIZE, drop_remainder=True)
        .map(lambda texts: {"tokens": tokenizer.tokenize(texts).to_tensor()})
        .cache()
    )


def tour(folder):
    import keras

    from tfvae.decoders import RecurrentDecoder
    from tfvae.encoders import RecurrentEncoder
    from tfvae.latents import Gaussian
    from tfvae.models import VAE
    from tfvae.objectives import KL, Linear, Reconstruction
    from tfvae.text import WordTokenizer, default_grammar

    keras.utils.set_random_seed(0)
    grammar = default_grammar()
    train, valid = (
        [sentence.text for sentence in grammar.sample(number, name)]
        for name, number in (("train", TRAIN_SIZE), ("valid", VALID_SIZE))
    )
    tokenizer = WordTokenizer()
    tokenizer.adapt(train)
    size = tokenizer.vocabulary_size
    print(f"{len(train)} sentences, {size} ids; the first: {train[0]}")

    model = VAE(
        RecurrentEncoder(size, embedding_dim=32, hidden_dim=64),
        Gaussian(8),
        RecurrentDecoder(size, embedding_dim=32, hidden_dim=64),
        objective=[Reconstruction(), KL(Linear(100))],
        tokenizer=tokenizer,
    )
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=5.0)
    # Without XLA: it would take longer to compile than such a short run.
    model.compile(optimizer, jit_compile=False)

    best = os.path.join(folder, "best.keras")
    history = os.path.join(folder, "history.csv")
    watched = {"monitor": model.monitor, "mode": "min"}
    found = model.fit(
        pipeline(train, tokenizer),
        validation_data=pipeline(valid, tokenizer),
        epochs=MAX_EPOCHS,
        verbose=2,
        callbacks=[
            keras.callbacks.BackupAndRestore(os.path.join(folder, "backup")),
            keras.callbacks.ReduceLROnPlateau(**watched, factor=0.5, patience=1),
            keras.callbacks.EarlyStopping(**watched, patience=3),
            keras.callbacks.ModelCheckpoint(best, **watched, save_best_only=True),
            keras.callbacks.TensorBoard(
                os.path.join(folder, "logs"), write_graph=False
            ),
            keras.callbacks.CSVLogger(history),
        ],
    ).history
    lowest = min(found["val_nelbo"])
    print(
        f"Best val_nelbo: {lowest:.2f} nats per sentence, true entropy "
        f"{grammar.entropy():.2f}"
    )
    with open(history, encoding="utf-8") as file:
        print(f"history.csv: {len(file.readlines()) - 1} epochs")

    again = keras.models.load_model(best)
    metrics = again.evaluate(
        pipeline(valid, again.tokenizer), verbose=0, return_dict=True
    )
    print(f"best.keras, loaded and measured: val_nelbo {metrics['nelbo']:.2f}")
    for text in again.generate(3, seed=1):
        print(f"  {text}")


def main():
    started = time.time()
    import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        tour(folder)
    print(f"{time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
