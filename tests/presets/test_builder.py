import dataclasses

import pytest

from tests import support
from tfvae import presets
from tfvae.decoders import Bridge, ConvolutionalDecoder
from tfvae.latents import Gaussian, PlanarFlow, StandardNormal
from tfvae.objectives import Coupling
from tfvae.presets import SETTINGS, ModelBuilder
from tfvae.presets.builder import as_builder
from tfvae.text import Batches, WordTokenizer

TEXTS = ["a cat ran", "a cat", "a dog ran", "dog"]
SMALL = {"embedding_dim": 6, "encoder_dim": 8, "decoder_dim": 8, "latent_dim": 3}


@pytest.fixture
def batches():
    return Batches(TEXTS, batch_size=2)


@pytest.fixture
def setting():
    return dataclasses.replace(SETTINGS["ivae"], **SMALL)


def test_data_have_the_vocabulary_and_the_length_of_an_epoch(setting, batches):
    model = presets.vae(setting, batches)
    assert model.tokenizer is batches.tokenizer
    assert model.decoder.vocabulary_size == 8
    # 0.1 at first, 1 after 9 epochs of 2 steps.
    weight = model.objective[1].weight
    assert [float(weight(step)) for step in (0, 18)] == pytest.approx([0.1, 1])


def test_a_setting_may_be_named(batches):
    small = dataclasses.replace(SETTINGS["ivae"], name="another", **SMALL)
    assert as_builder("ivae", batches).setting is SETTINGS["ivae"]
    assert as_builder(small, batches).setting is small
    builder = ModelBuilder(small, batches)
    assert as_builder(builder) is builder
    with pytest.raises(ValueError, match="has the data that it was made with"):
        as_builder(builder, batches)
    with pytest.raises(ValueError, match="`setting` must be one of"):
        presets.vae("ivea", batches)


def test_needs_a_vocabulary():
    with pytest.raises(ValueError, match="`tokenizer` or a `vocabulary_size`"):
        ModelBuilder("ivae")
    tokenizer = WordTokenizer(vocabulary=["a", "cat"])
    assert ModelBuilder("ivae", tokenizer=tokenizer).vocabulary_size == 6


def test_epochs_need_their_length(setting):
    builder = ModelBuilder(setting, vocabulary_size=10)
    message = "'ivae' counts in epochs.*Pass the training `data`"
    for build in (presets.vae, presets.prefb_vae, presets.cyclical_vae):
        with pytest.raises(ValueError, match=message):
            build(builder)
    with pytest.raises(ValueError, match="`epochs` counts in epochs"):
        _ = ModelBuilder("wae", vocabulary_size=10, epochs=3).num_steps
    # Nothing is annealed here, or it is counted in steps.
    assert presets.dae(builder).compiled
    assert ModelBuilder("coupled", vocabulary_size=10).annealing().final == 1.0
    scaled = dataclasses.replace(builder, total_steps=400, scale_schedules=True)
    assert float(scaled.annealing()(90)) == pytest.approx(1.0)


def test_length_of_training(batches):
    def num_steps(setting, **options):
        return ModelBuilder(setting, batches, **options).num_steps

    assert num_steps("ivae", total_steps=17) == 17
    assert num_steps("ivae", epochs=3) == num_steps("wae", epochs=3) == 6
    assert num_steps("ivae", epochs=3, steps_per_epoch=5) == 15
    # The settings' own: 40 epochs, 60000 steps.
    assert (num_steps("ivae"), num_steps("coupled")) == (80, 60000)
    with pytest.raises(ValueError, match="not both"):
        num_steps("ivae", epochs=3, total_steps=17)


def test_schedules_scale_with_epochs(batches):
    builder = ModelBuilder("ivae", batches, epochs=20, scale_schedules=True)
    # 20 of 40 epochs: 9 epochs of annealing become 4.5, of 2 steps each.
    assert builder.steps_per_unit == 1.0
    assert float(builder.annealing()(9)) == pytest.approx(1.0)
    assert dataclasses.replace(builder, epochs=None).steps_per_unit == 2


def test_cosine_decay_ends_with_training(setting):
    setting = dataclasses.replace(setting, decay="cosine")
    builder = ModelBuilder(setting, vocabulary_size=10, total_steps=50)
    rate = builder.optimizer()._learning_rate
    assert [float(rate(step)) for step in (0, 25, 50)] == pytest.approx([1e-3, 5e-4, 0])


def test_how_it_is_compiled(setting):
    builder = ModelBuilder(setting, vocabulary_size=10, jit_compile=False, seed=7)
    model = presets.dae(builder)
    assert not model.jit_compile and model.seed == 7
    assert model.optimizer.global_clipnorm == 5.0
    builder = ModelBuilder(setting, vocabulary_size=10, jit_compile=True)
    assert builder.language_model().jit_compile


def test_own_parts(setting):
    builder = ModelBuilder(setting, vocabulary_size=10)
    parts = {
        "encoder": builder.encoder(hidden_dim=4, bidirectional=True),
        "bridge": Bridge((5,)),
        "decoder": builder.decoder(word_dropout=0.25, input_dropout=0.0),
        "posterior": builder.posterior(),
    }
    model = builder.vae([support.ToyCritic()], **parts)
    assert all(getattr(model, name) is part for name, part in parts.items())
    assert model.encoder.code_dim == 8 and model.bridge.memory_dim == 5
    decoder = model.decoder
    rates = decoder.word_dropout, decoder.input_dropout, decoder.output_dropout
    assert rates == (0.25, 0.0, 0.5)


def test_a_decoder_of_another_kind(setting):
    setting = dataclasses.replace(setting, projection_dim=5)
    builder = ModelBuilder(setting, vocabulary_size=10)
    decoder = builder.decoder(ConvolutionalDecoder, num_filters=7, kernel_size=2)
    assert (decoder.vocabulary_size, decoder.embedding_dim) == (10, 6)
    assert (decoder.projection_dim, decoder.output_dropout) == (5, 0.5)
    assert (decoder.num_filters, decoder.kernel_size) == (7, 2)
    with pytest.raises(TypeError, match="num_filter"):
        builder.decoder(ConvolutionalDecoder, num_filter=7)


def test_a_posterior_of_another_kind(setting):
    setting = dataclasses.replace(setting, batch_normalization=True)
    builder = ModelBuilder(setting, vocabulary_size=10)
    flow = builder.posterior(PlanarFlow, num_flows=2)
    assert (flow.latent_dim, flow.num_flows, flow.batch_normalization) == (3, 2, True)
    assert flow.initializer.maxval == 0.1
    plain = builder.posterior(initializer=None, batch_normalization=False)
    assert isinstance(plain, Gaussian) and plain.initializer is None
    assert not plain.batch_normalization
    assert builder.posterior(StandardNormal).latent_dim == 3
    with pytest.raises(TypeError, match="num_flow"):
        builder.posterior(PlanarFlow, num_flow=2)


def test_a_language_model_is_not_coupled(setting):
    builder = ModelBuilder(setting, vocabulary_size=10)
    assert builder.language_model().decoder.conditioning == ()
    builder = dataclasses.replace(builder, coupling=Coupling())
    with pytest.raises(ValueError, match="A language model has no latent"):
        builder.language_model()
