"""English function words: an attack neither replaces one nor puts one in.

Replacing "of" or "not" says nothing about whether a model understands a picture, and a function
word in the place of a noun is no sentence. Nouns, verbs, adjectives, colours and numerals from two
on may be attacked, as in BERT-Attack (Li et al. 2020). So may every word that says how many, how
large, how near or where, but for plain prepositions ("in", "under", "behind"): a picture can show
that it is wrong. The list is ours; `official` has the released programs' (`released_stop_words`).
"""

_PRONOUNS = """
i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it
its itself we us our ours ourselves they them their theirs themselves one ones oneself who whom
whose which what whoever whomever whichever whatever this that these those someone somebody
something anyone anybody anything everyone everybody everything noone nobody nothing none each
other others another either neither both all any some more most such same own
"""
_DETERMINERS = """
a an the every no quite rather first next
"""
_PREPOSITIONS = """
about above across after against along among amongst around as at before behind below beside besides
between beyond by despite down during except for from in into like of off on onto out over per since
than through throughout till to toward towards under unlike until unto up upon via with within
without
"""
_CONJUNCTIONS = """
and but or nor so yet if unless whether though although because while whereas when whenever where
wherever why how however once lest then thus hence therefore moreover furthermore otherwise
meanwhile nevertheless nonetheless whereby wherein whereupon thereby therein thereafter hereby
"""
_AUXILIARIES = """
am is are was were be been being do does did doing done have has had having will would shall should
can could may might must ought used cannot isnt arent wasnt werent dont doesnt didnt
havent hasnt hadnt wont wouldnt shant shouldnt cant couldnt maynt mightnt mustnt neednt im ive
id youre youve youll youd hes shes theyre theyve theyll theyd weve thats theres whats lets
"""
_ADVERBS = """
not never ever always often sometimes seldom here there now just only also too even very still
already again almost else anyhow anyway anywhere everywhere nowhere somewhere somehow elsewhere
indeed perhaps maybe mostly namely really regarding afterwards beforehand formerly latterly
whither thence whence hither therefore
"""
# Letters that a tokenizer leaves over from contractions and abbreviations.
_LEFTOVERS = "s t d m o y ll re ve b e g etc eg ie vs"

STOP_WORDS = frozenset(
    " ".join(
        (_PRONOUNS, _DETERMINERS, _PREPOSITIONS, _CONJUNCTIONS, _AUXILIARIES, _ADVERBS, _LEFTOVERS)
    ).split()
)
