"""Words of captions as the Stanford PTB tokenizer cuts them, which COCO's caption scores count.

The rules are those of `PTBTokenizer -preserveLines -lowerCase` (Stanford CoreNLP 3.4.1), as far as
captions need them. COCO drops punctuation afterwards (Chen et al., "Microsoft COCO Captions",
arXiv 1504.00325, section 3). `tests/evaluate/captions/ptb_test.py` compares with what the original
prints.
"""

import html
import re

# Dropped after cutting. Brackets are not among them: COCO names them in capitals, and the tokens
# are in small letters by then. "!!" and "?!" stay too.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])

WRITTEN = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
WRITTEN |= {"£": "#", "€": "$", "¢": "cents", "¼": "1/4", "½": "1/2", "¾": "3/4"}
WRITTEN |= {"…": "...", "–": "--", "—": "--", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'"}

# Words that are two: how many letters the second has.
TWO = {"cannot": 3, "gonna": 2, "gotta": 2, "lemme": 2, "gimme": 2, "wanna": 2}
TWO |= {"'tis": 2, "'twas": 3}

# Titles, months, days, firms, places and others that keep their full stop.
ABBREVIATIONS = (
    "mr|mrs|ms|messrs|drs?|profs?|sens?|reps?|attys?|lt|col|gen|govs?|adm|rev|maj|sgt|cpl|pvt|capt|"
    "ste?|ave|pres|lieut|hon|brig|co?mdr|pfc|spc|supts?|det|mt|ft|adj|adv|asst|assoc|ens|insp|mlle|"
    "mme|msgr|sfc|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thu(?:rs)?|fri|inc|cos?|"
    "corp|ltd|plc|assn|univ|intl|sys|dept|jr|sr|bros|ph\\.d|esq|etc|al|seq|vs|ext|est|blvd|rd|ala|"
    "ariz|calif|colo|conn|dak|fla|kans?|mich|minn|mo|mont|neb|nev|okla|penn|tenn|tex|wis|wyo"
)
NO_BREAK = "\u00a0"  # within "3 1/2", which is one token
WORD = r"[^\W\d_]\w*"
QUOTE = "['’]"
ENDING = rf"{QUOTE}(?:s|re|ve|ll|d|m)(?!\w)"

# The original takes the longest rule that fits. Here the first one is taken, so that longer ones
# come first.
RULES = (
    r"(?:https?://|www\.)[^\s\"<>|()]*[^\s\"<>|().!?,;:]",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*",
    r"</?[a-zA-Z][^<>]*>",
    r"[:;=]-?[()DP](?!\w)",
    r"\.\.\.+|(?:\. ){2,}\.|[?!]+|--+",
    r"[#@](?i:[a-z])\w*",
    r"[A-Z]+(?:[&+][A-Z]+)+",
    rf"(?i:{QUOTE}n{QUOTE}|{QUOTE}(?:n|em|tis|twas|til|cause)(?!\w))",
    rf"{QUOTE}\d0s",
    r"\d+ \d+/\d+(?![\w/])",
    r"\d+(?:/\d+)+(?![\w/])",
    r"(?i:[a-z0-9]+(?:-[a-z]+){0,2}(?:/[a-z0-9]+(?:-[a-z]+){0,2}){1,2})",
    r"(?i:[a-z0-9][a-z0-9.,]*(?:-[a-z0-9]+)+)",
    rf"(?i:o{QUOTE}clock|c{QUOTE}mon|ma{QUOTE}am|ol{QUOTE}(?!\w)|y{QUOTE}(?=all)|[dol]{QUOTE}{WORD})",
    r"(?i:(?<!\w)[a-z](?:\.[a-z])+\.(?!\w))",
    r"(?i:no\.(?=\s?\d))",
    r"I(?=\. +[A-Z])",
    rf"(?i:(?:{ABBREVIATIONS}|[a-z])\.(?!\w))",
    rf"{WORD}(?:[.!?]{WORD})+",
    rf"(?i:[^\W\d_]+(?=n{QUOTE}t(?!\w))|n{QUOTE}t(?!\w))",
    rf"(?i:{ENDING})",
    r"\d+(?i:[a-z])[^\W_]*",
    r"[-+]?(?:\d+(?:[.:,]\d+)*|\.\d+)",
    WORD,
    r"_+|\*+|\S",
)
PATTERN = re.compile("|".join(f"(?:{rule})" for rule in RULES))


def ptb_tokens(caption: str) -> list[str]:
    """The words of one caption in small letters, without punctuation.

    Args:
        caption: as it was written; a line break is a space.
    """
    text = html.unescape(caption.replace("\n", " "))
    found: list[str] = []
    for token in PATTERN.findall(text):
        low = token.lower()
        second = TWO.get(low, 0)
        found += [low[:-second], low[-second:]] if second else [_spelt(low)]
    return [token for token in found if token not in PUNCTUATION]


def _spelt(token: str) -> str:
    """As the original writes a token: brackets by name, one form of quotes and dashes."""
    if not token.strip(". "):
        return "..."
    if token.startswith(("www.", "http")):
        return token
    if " " in token and "/" in token:
        return token.replace(" ", NO_BREAK)
    return "".join(WRITTEN.get(letter, letter) for letter in token)
