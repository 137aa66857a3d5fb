"""An embedded world seen from above: thirty kinds of sites, written to disk in RSICD's form."""

from mat_jax.data.aerial.files import write_aerial as write_aerial
