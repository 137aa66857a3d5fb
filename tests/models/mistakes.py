"""Ways to get a model wrong, which a comparison must notice."""

import dataclasses

from flax import nnx


def edited(edit):
    """`edit(model)` on a copy."""

    def change(model):
        model = nnx.clone(model)
        edit(model)
        return model

    return change


def inside(part, **changes):
    """The same weights, and other sizes in `config.<part>`."""

    def change(model):
        changed = dataclasses.replace(getattr(model.config, part), **changes)
        config = dataclasses.replace(model.config, **{part: changed})
        kind = type(model)
        graph, _ = nnx.split(nnx.eval_shape(lambda: kind(config, nnx.Rngs(0))))
        return nnx.merge(graph, nnx.state(model))

    return change


class Nothing(nnx.Module):
    """In the place of a layer."""

    def __call__(self, x):
        return x


class Twice(nnx.Module):
    """A layer, and once more."""

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, x):
        return self.layer(self.layer(x))
