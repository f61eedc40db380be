"""The `tfvae` command; `main.py` lists its subcommands."""
