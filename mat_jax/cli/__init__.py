"""The command `mat-jax`: one subcommand a file, over everything below."""

from mat_jax.cli.entry import main as main
from mat_jax.cli.entry import script as script
