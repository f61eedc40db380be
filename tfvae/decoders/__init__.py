"""Networks that score and write sentences given a memory made from a latent."""

from tfvae.decoders.convolutional import ConvolutionalDecoder as ConvolutionalDecoder
from tfvae.decoders.decoder import Bridge as Bridge
from tfvae.decoders.decoder import Decoder as Decoder
from tfvae.decoders.labelled import LabelledDecoders as LabelledDecoders
from tfvae.decoders.recurrent import RecurrentDecoder as RecurrentDecoder
