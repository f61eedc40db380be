"""Exports for TF Serving and a client of such a server."""

from tfvae.serving.client import Client as Client
from tfvae.serving.exporter import export as export
from tfvae.serving.exporter import export_wordpiece as export_wordpiece
from tfvae.serving.signatures import Signature as Signature
from tfvae.serving.signatures import signatures_of as signatures_of
