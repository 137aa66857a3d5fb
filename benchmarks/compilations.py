"""Which programs a command compiles, how often, and how much processor time each takes.

python benchmarks/compilations.py mat_jax.train --steps 3 --set limit=8 --workdir DIR
python benchmarks/compilations.py mat_jax.evaluate --model scenes-clip --limit 8 --out DIR

The command runs in this process as `python -m` runs it. A program that is compiled twice was asked
for with other shapes, other static arguments, or weights that are bound to a device in one call and
not in the other: `JAX_EXPLAIN_CACHE_MISSES=1` in the environment says which. What is read from
JAX's cache on disk is counted apart. The figures are seconds of all cores of this process, so they
hardly hang on what else the machine does.
"""

import runpy
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

import jax.monitoring

# The three parts of a compilation, as `jax.monitoring` calls them.
PARTS = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
READ = "/jax/compilation_cache/cache_hits"


@dataclass
class Program:
    """What was spent on the programs of one name."""

    compiled: int = 0
    read: int = 0  # from the cache on disk
    trace: float = 0.0
    lower: float = 0.0
    compile: float = 0.0

    @property
    def seconds(self) -> float:
        """Of all parts."""
        return self.trace + self.lower + self.compile


@dataclass
class Count:
    """Listens to JAX. Parts begin and end one inside the other, so a stack holds those begun."""

    programs: dict[str, Program] = field(default_factory=lambda: defaultdict(Program))
    begun: list[float] = field(default_factory=list)
    hits: int = 0

    def begin(self, event: str, value: float, **named: str | int) -> None:
        """A part begins."""
        if event in PARTS:
            self.begun.append(time.process_time())
            self.hits = 0

    def hit(self, event: str, **named: str | int) -> None:
        """The part that was begun last needs no compiling."""
        self.hits += event == READ

    def end(self, event: str, duration_secs: float, **named: str | int) -> None:
        """A part ends."""
        if event not in PARTS:
            return
        program, part = self.programs[str(named["fun_name"])], PARTS[event]
        spent = time.process_time() - self.begun.pop()
        setattr(program, part, getattr(program, part) + spent)
        if part == "compile":
            program.read += self.hits
            program.compiled += not self.hits

    def listen(self) -> None:
        """From now on."""
        jax.monitoring.register_scalar_listener(self.begin)
        jax.monitoring.register_event_listener(self.hit)
        jax.monitoring.register_event_duration_secs_listener(self.end)

    def table(self) -> str:
        """The dearest program first; what was only traced is part of another's program."""
        whole = {name: one for name, one in self.programs.items() if one.compiled or one.read}
        for name, one in self.programs.items():
            asked = whole.get(f"jit({name})")
            if asked is not None:  # traces are named without the `jit(...)`
                asked.trace += one.trace
        every = sorted(whole.items(), key=lambda pair: -pair[1].seconds)
        total = Program(*(sum(vars(one)[part] for _, one in every) for part in vars(Program())))
        lines = [f"{'program':32}{'compiled':>9}{'read':>6}{'trace':>8}{'lower':>8}{'compile':>9}"]
        for name, one in [*every, ("all", total)]:
            lines.append(
                f"{name:32}{one.compiled:9d}{one.read:6d}{one.trace:8.2f}{one.lower:8.2f}"
                f"{one.compile:9.2f}"
            )
        return "\n".join(lines)


def main() -> int:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = Count()
    count.listen()
    del sys.argv[0]
    code = 0
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    print(f"{count.table()}\nprocessor time of all: {time.process_time():.1f} s", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
