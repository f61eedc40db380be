"""`python -m tfvae`."""

import sys

from tfvae.cli.main import main

sys.exit(main())
