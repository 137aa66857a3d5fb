"""What a step tells eight TPU chips, compiled ahead of time on a machine that has none.

It needs libtpu, in this environment or in a folder of PYTHONPATH: `pip install --target FOLDER
libtpu==0.0.42.*`. It runs in a process of its own, for libtpu speaks to JAX when JAX starts.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json
import sys
from collections import Counter

import jax
import optax
from jax.experimental import topologies

from mat_jax import defenses, models
from mat_jax.train import mesh, sharding, state
from mat_jax.train.step import compile_step
from tests.defenses.families_test import batch as pairs
from mat_jax.train.plan.collectives import collectives_in

chips = topologies.get_topology_desc("v5e:2x4", platform="tpu").devices
auto = (jax.sharding.AxisType.Auto,)
devices = jax.make_mesh((8,), ("data",), axis_types=auto, devices=chips)
text = models.BertConfig(vocab_size=40, length=6, width=16, heads=2, layers=2)
vision = models.ViTConfig(width=16, layers=2, heads=2)
layout, weights = state.flatten(models.files.build(models.CLIPConfig(16, 8, vision, text, 8), 0))
defense, optimizer = defenses.MAT(eps=0.1), optax.sgd(1e-2)
begin = state.create(weights, optimizer, defense.trains, 0)
step = compile_step(layout, defense, optimizer, devices, begin)


def shapes(tree, places):
    def one(x, place):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place)

    return jax.tree.map(one, tree, places)


batch = pairs(1, count=16)
split = jax.tree.map(lambda _: mesh.batch_sharding(devices), batch)
given = shapes(begin, sharding.state_shardings(devices, begin)), None, shapes(batch, split)
found = collectives_in(step.lower(*given).compile().as_text())
print(json.dumps([dict(Counter(one.kind for one in found if bool(one.loops) == loop))
                  for loop in (False, True)]))
"""


@pytest.mark.slow
def test_eight_chips_tell_each_other_no_more_than_eight_processors():
    """Beside features and gradients, the ids; small sums are scattered by adding up all of them."""
    if importlib.util.find_spec("libtpu") is None:
        pytest.skip("no libtpu here: pip install --target FOLDER libtpu, and PYTHONPATH=FOLDER")
    folders = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(folders),
        "JAX_PLATFORMS": "cpu",
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    once, looped = json.loads(done.stdout.splitlines()[-1])
    # Once: texts, images; ids; the slopes of both, and the gradients. In PGD: images, and slopes.
    assert once["all-gather"] <= 3
    assert sum(once.values()) <= 6
    assert looped["all-gather"] == 1
    assert sum(looped.values()) == 2
