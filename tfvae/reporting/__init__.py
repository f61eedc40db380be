"""One HTML page about one or several runs."""

from tfvae.reporting.collect import LabelledText as LabelledText
from tfvae.reporting.collect import collect_runs as collect_runs
from tfvae.reporting.collect import read_labelled as read_labelled
from tfvae.reporting.page import check_extra as check_extra
from tfvae.reporting.page import make_report as make_report
from tfvae.reporting.page import render as render
