"""Install a wheel into an empty environment, outside of the checkout, and attack a model with it.

python tests/tools/smoke.py dist/mat_jax-*.whl
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

COMMANDS = (
    ["-m", "mat_jax.train", "--help"],
    [
        *("-m", "mat_jax.evaluate", "--model", "scenes-clip", "--data", "scenes", "--limit", "20"),
        *("--attacks", "pgd,sga", "--suite", "none", "--checks", "0", "--out", "report"),
    ],
    # The quickstart, shortened: three steps on eight scenes.
    ["-m", "mat_jax.train", "--steps", "3", "--set", "limit=8", "--workdir", "run"],
)


def main(wheel: str) -> None:
    """Raises CalledProcessError where a command of a user fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        venv.create(place / "env", with_pip=True)
        python = str(place / "env" / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        for command in COMMANDS:
            print("python", " ".join(command), flush=True)
            subprocess.run([python, *command], check=True, cwd=place, stdout=subprocess.DEVNULL)
        assert (place / "report" / "index.html").is_file()
        assert (place / "run" / "export" / "model.safetensors").is_file()
    print(f"{Path(wheel).name} works in an environment of its own")


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
