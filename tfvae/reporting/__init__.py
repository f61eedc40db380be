"""One HTML page about one or several runs."""

from tfvae.reporting.gathering import gather as gather
from tfvae.reporting.labelled_text import LabelledText as LabelledText
from tfvae.reporting.labelled_text import read_labelled as read_labelled
from tfvae.reporting.page import make_report as make_report
from tfvae.reporting.page import render as render
