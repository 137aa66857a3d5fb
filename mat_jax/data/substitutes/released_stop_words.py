"""The words that the released Co-Attack and SGA neither replace nor put in: `official` only.

Their list is that of BERT-Attack (Li et al. 2020), which is TextFooler's (Jin et al. 2020). It is
kept to the word, for another list gives other attacked captions. Some of its words carry meaning
("empty", "back", "hundred"), and common function words are missing from it ("do", "has", "will");
`stop_words.STOP_WORDS` has neither fault. Left out are its contractions with an apostrophe, which
no cleaned caption and no token of BERT's can be, and those signs that cleaning deletes.
"""

_PERSONS = """
i me my mine myself we our ours ourselves you your yours yourself yourselves he him his
himself she her hers herself it its itself they them their theirs themselves one
"""
_POINTING = "this that these those such same other others another former latter latterly"
_ASKING = """
who whom whose which what when where why how whoever whatever whenever wherever whether whence
whither
"""
_HOW_MANY = """
a an the all any both either neither no none some more most least enough only hundred whole first
next per
"""
_PRONOUNS_OF_ANY = "anyone anything everyone everything nobody noone nothing something"
_PLACE = """
about above across against along among amongst around at behind below beside besides between beyond
by down for from in into of off on onto out over through throughout thru to toward towards under up
upon with within without back empty alone anywhere elsewhere everywhere nowhere somewhere here there
"""
_TIME = """
after afterwards formerly again already before beforehand during ever meanwhile never now once
sometime then until while yet
"""
_JOINING = """
although and as but except however if moreover nevertheless nor or otherwise than unless
whereas
"""
_VERBS = "am are is was were been being can cannot could may must would used please"
_MANNER = """
almost also anyhow anyway due else even hence indeed just mostly namely not somehow therefore
thus too
"""
_COMPOUND = """
hereafter hereby herein hereupon thence thereafter thereby therein thereupon whereafter whereby
wherein whereupon
"""
# Halves of contractions.
_HALVES = """
ain aren couldn didn doesn don hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won
wouldn b d ll o s t ve y
"""
_SIGNS = "% & + < = > @ ^ | · ～"

RELEASED_STOP_WORDS = frozenset(
    " ".join(
        (
            _PERSONS, _POINTING, _ASKING, _HOW_MANY, _PRONOUNS_OF_ANY, _PLACE, _TIME, _JOINING,
            _VERBS, _MANNER, _COMPOUND, _HALVES, _SIGNS,
        )
    ).split()
) | {"a the"}  # fmt: skip
