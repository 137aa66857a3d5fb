"""VQA accuracy: how many of ten people gave the model's answer (Antol et al. 2015, section 4).

Answers are compared after the normalisation of the VQA evaluation code, which is written anew
here: punctuation, articles, number words and contractions.
"""

import re
from collections.abc import Sequence

FEWEST = 4  # answers of which leaving one out leaves the three that make an answer wholly right
ARTICLES = frozenset(("a", "an", "the"))
NUMBERS = {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
} | {"none": "0"}
# Signs that become a space, or nothing where a space stands beside one of them.
SIGNS = ';/[]"{}()=+\\_-><@`,?!'

# Contractions as they are to be spelt. A word that lacks one of their apostrophes becomes them.
_SPELT = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't
mightn't've must've mustn't needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've
shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll
someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're
what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're
why's won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're
you've
"""


def _lacking_one(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i, letter in enumerate(word) if letter == "'"]


CONTRACTIONS = {lacking: word for word in _SPELT.split() for lacking in _lacking_one(word)}
CONTRACTIONS |= {"somebody'd": "somebodyd"}  # so in the evaluation code

_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")


def normalised(answer: str) -> str:
    """An answer as the evaluation code compares it.

    >>> normalised("The two dogs, dont you think?")
    "2 dogs don't you think"
    """
    text = " ".join(answer.replace("\n", " ").replace("\t", " ").split(" ")).strip()
    return _without_articles(_without_signs(text))


def vqa_accuracy(answer: str, people: Sequence[str]) -> float:
    r"""How right an answer is, 0 to 1.

    $$\frac1n \sum_i \min\Big(\frac{\#\{j \ne i : a_j = a\}}{3}, 1\Big)$$

    over the n answers of people, ten in VQA: the mean over all subsets that leave one of them out
    (Goyal et al. 2017 keep it). So 1, 2, 3 and 4 of ten that agree give 0.3, 0.6, 0.9 and 1.
    Where all people say the same, letter for letter, nothing is normalised, as in the code.

    Args:
        answer: of the model.
        people: what people answered.

    Raises:
        ValueError: fewer than four people answered, so no answer could be wholly right.
    """
    if len(people) < FEWEST:
        raise ValueError(
            f"VQA accuracy needs {FEWEST} people's answers or more, ten as published, and got "
            f"{len(people)}: give all answers to each question"
        )
    said, given = answer.strip(), [text.strip() for text in people]
    if len(set(given)) > 1:
        said, given = normalised(said), [normalised(text) for text in given]
    same = sum(text == said for text in given)
    # Leaving out one of those that agree leaves one less; leaving out another leaves all.
    without, others = min(max(same - 1, 0) / 3, 1), min(same / 3, 1)
    return (same * without + (len(given) - same) * others) / len(given)


def _without_signs(text: str) -> str:
    """A sign goes if it is beside a space anywhere, or a number has a comma; else a space comes."""
    found = text
    for sign in SIGNS:
        beside = f"{sign} " in text or f" {sign}" in text or _COMMA_IN_NUMBER.search(text)
        found = found.replace(sign, "" if beside else " ")
    return _PERIOD.sub("", found)


def _without_articles(text: str) -> str:
    words = [NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)
