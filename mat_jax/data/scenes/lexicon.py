"""Words for facts: which words say what, and of what they are true.

Human words are vague and overlap. "greenish" is true of green and of teal things, "vehicle" of cars
and boats, "dark" of four colours. So a word rarely decides alone which picture is meant.
"""

from mat_jax.data.scenes.facts import COLOURS, GROUNDS, KINDS, SIZES

# Colour words and the colours they are true of; exact words first.
COLOUR_WORDS: dict[str, frozenset[str]] = {
    **{colour: frozenset([colour]) for colour in COLOURS},
    "scarlet": frozenset(["red"]),
    "golden": frozenset(["yellow", "orange"]),
    "turquoise": frozenset(["teal"]),
    "violet": frozenset(["purple"]),
    "gray": frozenset(["grey"]),
    "reddish": frozenset(["red", "pink", "orange", "brown"]),
    "yellowish": frozenset(["yellow", "orange"]),
    "greenish": frozenset(["green", "teal"]),
    "bluish": frozenset(["blue", "teal", "purple"]),
    "rosy": frozenset(["pink", "red"]),
    "dark": frozenset(["black", "brown", "purple", "blue"]),
    "pale": frozenset(["white", "grey", "pink"]),
    "bright": frozenset(["yellow", "orange", "red", "white"]),
    "colourful": frozenset(COLOURS) - {"black", "grey", "white", "brown"},
}

SIZE_WORDS: dict[str, frozenset[str]] = {
    "small": frozenset(["small"]),
    "little": frozenset(["small", "medium"]),
    "tiny": frozenset(["small"]),
    "large": frozenset(["large"]),
    "big": frozenset(["large", "medium"]),
    "huge": frozenset(["large"]),
    "medium": frozenset(["medium"]),
}

TEXTURE_WORDS: dict[str, frozenset[str]] = {
    "plain": frozenset(["plain"]),
    "striped": frozenset(["striped"]),
    "spotted": frozenset(["spotted"]),
    "dotted": frozenset(["spotted"]),
    "patterned": frozenset(["striped", "spotted"]),
}

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "boat": ("ship", "sailboat"),
    "plane": ("airplane", "jet"),
    "car": ("auto",),
    "train": ("locomotive",),
    "bicycle": ("bike",),
    "cat": ("kitten", "kitty"),
    "bird": ("birdie",),
    "turtle": ("tortoise",),
    "melon": ("watermelon",),
    "flower": ("blossom", "daisy"),
    "mushroom": ("toadstool",),
    "leaf": ("foliage",),
    "house": ("cottage", "home"),
    "tower": ("castle",),
    "cup": ("mug",),
    "umbrella": ("parasol",),
    "moon": ("crescent",),
    "kite": ("diamond",),
    "balloon": ("airship",),
    "flag": ("banner",),
}

# What else people call a family; the family's own name is always one of its words.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "fruit": ("food", "snack"),
    "animal": ("creature", "beast"),
    "vehicle": ("machine",),
    "plant": ("greenery",),
    "building": ("structure",),
    "toy": ("plaything", "object"),
    "thing": ("object", "item"),
    "shape": ("symbol", "sign"),
}

_KIND_PLURALS = {
    "cherry": "cherries",
    "grapes": "grapes",
    "fish": "fish",
    "butterfly": "butterflies",
    "cactus": "cacti",
    "leaf": "leaves",
}


def plural(noun: str) -> str:
    """The plural of one of our nouns."""
    if noun in _KIND_PLURALS:
        return _KIND_PLURALS[noun]
    if noun in ("foliage", "greenery"):
        return noun
    if noun.endswith(("ss", "sh", "ch", "x")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("ty") else noun + "s"


KIND_WORDS: dict[str, tuple[str, ...]] = {k: (k, *_SYNONYMS.get(k, ())) for k in KINDS}
FAMILY_WORDS: dict[str, tuple[str, ...]] = {f: (f, *words) for f, words in _FAMILIES.items()}

# Nouns, singular and plural, and the kinds they are true of.
_SINGULAR: dict[str, frozenset[str]] = {}
for _kind, _words in KIND_WORDS.items():
    for _word in _words:
        _SINGULAR[_word] = _SINGULAR.get(_word, frozenset()) | {_kind}
for _family, _words in FAMILY_WORDS.items():
    _members = frozenset(k for k, (family, _) in KINDS.items() if family == _family)
    for _word in _words:
        _SINGULAR[_word] = _SINGULAR.get(_word, frozenset()) | _members
_SINGULAR["thing"] = _SINGULAR["object"] = _SINGULAR["item"] = frozenset(KINDS)
NOUNS: dict[str, frozenset[str]] = _SINGULAR | {plural(n): k for n, k in _SINGULAR.items()}

GROUND_WORDS: dict[str, frozenset[str]] = {
    **{ground: frozenset([ground]) for ground in GROUNDS},
    "beach": frozenset(["sand"]),
    "lawn": frozenset(["grass"]),
    "meadow": frozenset(["grass"]),
    "sea": frozenset(["water"]),
    "ice": frozenset(["snow"]),
    "wall": frozenset(["bricks", "tiles"]),
    "boards": frozenset(["planks"]),
    "floor": frozenset(["planks", "tiles", "carpet"]),
    "air": frozenset(["sky"]),
    "rug": frozenset(["carpet"]),
    "stones": frozenset(["rocks"]),
    "ground": frozenset(GROUNDS) - {"sky", "water"},
}
SHADE_WORDS: dict[str, frozenset[str]] = {
    "dark": frozenset(["dark"]),
    "dim": frozenset(["dark"]),
    "deep": frozenset(["dark"]),
    "pale": frozenset(["pale"]),
    "bright": frozenset(["pale"]),
    "soft": frozenset(["pale", "dark"]),
}

# Places: a word, and the test on the centre (x to the right, y downwards) that makes it true.
PLACE_WORDS: dict[str, tuple[float, float, float, float]] = {  # x from, x to, y from, y to
    "left": (0.0, 0.5, 0.0, 1.0),
    "right": (0.5, 1.0, 0.0, 1.0),
    "top": (0.0, 1.0, 0.0, 0.5),
    "bottom": (0.0, 1.0, 0.5, 1.0),
    "middle": (0.3, 0.7, 0.3, 0.7),
}

NUMBERS: dict[str, int] = {"two": 2, "three": 3, "four": 4, "five": 5}

# Words that claim nothing about what is to be seen.
SILENT = frozenset(
    "a an the some and with near beside by next to there is are in at on over of against here we "
    "see picture scene image photo drawing view showing shows lies sits stands rests together "
    "close upon".split()  # noqa: SIM905
)

SIZE_OF = {size: [w for w, s in SIZE_WORDS.items() if size in s] for size in SIZES}
