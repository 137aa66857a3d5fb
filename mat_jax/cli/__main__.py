"""`python -m mat_jax.cli` is `mat-jax` where nothing is installed."""

from mat_jax.cli.entry import script

if __name__ == "__main__":
    script()
