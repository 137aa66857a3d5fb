"""`python -m mat_jax.train`: run an experiment from the command line.

Exit codes: 0 done; 2 something in the command, the data or the disk is not right (one sentence
says what); 128 + n stopped by signal n after saving (143 for SIGTERM, 130 for SIGINT): the same
command goes on; 1 another process of the run is gone, or a fault of the program.

Several processes are one run with --hosts: all end with the same code.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from mat_jax.evaluate.invariants import Broken
from mat_jax.train import experiment as experiments
from mat_jax.train import loop, mesh, plan, run
from mat_jax.train.trackers import KINDS
from mat_jax.utils import processes
from mat_jax.utils.cache import keep_programs
from mat_jax.utils.command_line import Parser

PROG = "python -m mat_jax.train"
USAGE = """[--config FILE] [--mesh 8] [--steps N] [--set lr=3e-5 eps=4/255]
                        [--workdir DIR] [--resume auto|never|anyway] [--help]
                        [--track tensorboard] [--profile STEPS]
                        [--plan [--topology v5e:4x4|h100:8|auto]]
                        [--hosts auto | --hosts N --coordinator HOST:PORT --process I]"""


def parser(prog: str = PROG) -> Parser:
    """The command line, under this name of the command."""
    line = Parser(prog=prog, usage=f"{prog} {USAGE}", add_help=False, allow_abbrev=False)
    line.add_argument("--config", type=Path, help="experiment file; the quickstart if not given")
    line.add_argument("--mesh", default="auto", help="devices: 8, data=4,fsdp=2, or auto")
    line.add_argument("--steps", help="the same as --set steps=N")
    line.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the experiment",
    )
    line.add_argument("--workdir", type=Path, help="the run's folder; default runs/<experiment>")
    line.add_argument(
        "--resume",
        default="auto",
        choices=("auto", "never", "anyway"),
        help="auto: go on with the run in workdir, if its settings are these; never: start over; "
        "anyway: go on with changed settings",
    )
    line.add_argument(
        "--track", default="", metavar="A,B", help=f"curves to {', '.join(KINDS)} too"
    )
    line.add_argument("--profile", type=int, default=0, metavar="STEPS", help="trace some steps")
    line.add_argument("--plan", action="store_true", help="say what the run will need; run nothing")
    line.add_argument("--topology", metavar="CHIPS", help="plan for these: v5e:4x4, h100:8, auto")
    line.add_argument("--hosts", metavar="N|auto", help=processes.HOSTS)
    line.add_argument("--coordinator", metavar="HOST:PORT", help=processes.COORDINATOR)
    line.add_argument("--process", type=int, metavar="I", help=processes.PROCESS)
    line.add_argument("--help", action="store_true", help="this, and the experiment's settings")
    return line


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Run the command line; returns the exit code."""
    try:
        line = parser(prog)
        given = line.parse_args(arguments)
        config = given.config or experiments.quickstart()
        function = experiments.load(config)
        if given.help:
            print(f"{line.format_help()}\n{config}:\n\n{experiments.describe(function)}")
            return 0
        chosen = [*given.set, *([f"steps={given.steps}"] if given.steps else [])]
        settings = experiments.bind(function, chosen)
        if given.topology and not given.plan:
            raise ValueError("--topology names the chips of a plan: give --plan too")
        if given.plan:
            print(_plan(function, settings, config.stem, given.mesh, given.topology or "auto"))
            return 0
        processes.begin(given.hosts, given.coordinator, given.process)
        # Before the experiment is built: it may touch JAX, and then devices cannot be made.
        devices = mesh.make(given.mesh)
        workdir = given.workdir or Path("runs") / config.stem
        run.fit(
            function(**settings),
            workdir,
            mesh=devices,
            resume=given.resume,
            settings=settings,
            config=config,
            trackers=[name.strip() for name in given.track.split(",") if name.strip()],
            profile=given.profile,
        )
    except loop.Stopped as stopped:
        return processes.finish(stopped.exit_code, str(stopped))
    except (ValueError, OSError, ArithmeticError, MemoryError, Broken) as error:
        if "\n" in str(error):  # our sentences are one line: this is a fault, not a mistake
            raise
        return processes.fail(f"error: {error}", 2)
    except KeyboardInterrupt:
        return processes.fail("stopped; the same command goes on from the last checkpoint", 130)
    return processes.finish(0)


def _plan(
    function: Callable[..., experiments.Experiment],
    settings: dict[str, Any],
    name: str,
    devices: str,
    chips: str,
) -> str:
    """A plan's lines. Nothing computes, so that an accelerator here is left alone."""
    # libtpu reads them when it is loaded, and asks the network for what it does not find here.
    for variable in ("TPU_SKIP_MDS_QUERY", "ALLOW_MULTIPLE_LIBTPU_LOAD"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-8")
    if chips != "auto":
        jax.config.update("jax_platforms", "cpu")
        count = plan.topology(chips).count
        if not chips.startswith("v"):
            mesh.offer_virtual_devices(count)
    where = plan.topology(chips)
    experiment = function(**settings)
    found = plan.planned(experiment, name, devices, where)
    other = plan.suggested(experiment, found, where) if found.fits is False else None
    return plan.format_plan(found, other)


if __name__ == "__main__":
    keep_programs()
    sys.exit(processes.run(main))
