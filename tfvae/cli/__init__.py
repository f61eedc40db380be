"""The `tfvae` command, one module a subcommand."""
