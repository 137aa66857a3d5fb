"""The released text attacks on photographs' captions, letter for letter beside ours.

python benchmarks/photographs.py --sga DIR --co-attack DIR --captions flickr8k_test.json \
    --bert vocab.txt --clip bpe_simple_vocab_16e6.txt.gz --images 40

DIR are clones of github.com/Zoky-2020/SGA and github.com/adversarial-for-goodness/Co-Attack. The
CLIP and the BERT have random weights and the real vocabularies, so that words fall into pieces as
they do in the field. Printed is the share of captions that end as the released program leaves them.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # mat_jax, installed or not

import jax  # noqa: E402
import numpy as np  # noqa: E402
import published  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from contests import THREAT, first_pass  # noqa: E402
from flax import nnx  # noqa: E402

from mat_jax import attacks, data, models  # noqa: E402
from mat_jax.data import Example, WordTable  # noqa: E402
from mat_jax.types.arrays import Adversarial  # noqa: E402

SIZE = 32  # of the pictures, which are noise


class Captioned:
    """Captions of photographs, each row with a picture of noise in place of the photograph."""

    def __init__(self, rows: list[list[str]]):
        self.name, self.rows = "photographs' captions", rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Example:
        random = np.random.default_rng(index)
        picture = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        return Example(picture, tuple(self.rows[index]), index)


def victim(merges: Path, folder: Path) -> tuple[models.CLIP, models.Tokenizer]:
    """A CLIP of random weights that reads OpenAI's vocabulary, also as a folder."""
    tokenizer = models.Tokenizer.openai(merges)
    form = tokenizer.text_format
    text = models.BertConfig(tokenizer.vocab_size, 77, 64, layers=2, heads=2, pad=form.pad)
    config = models.CLIPConfig(
        image_size=SIZE, patch_size=8, vision=models.ViTConfig(64, layers=2, heads=2), text=text,
        embed=48, bos=form.start, eos=form.end,
    )  # fmt: skip
    model = models.CLIP(config, nnx.Rngs(0))
    models.save(model, tokenizer, folder)
    return models.load(folder)


def language_model(vocabulary: Path, folder: Path) -> tuple[models.BertMLM, models.Tokenizer]:
    """A masked language model of random weights that reads BERT's vocabulary, also as a folder."""
    tokenizer = models.Tokenizer.bert(vocabulary, 77)
    config = models.BertConfig(tokenizer.vocab_size, 77, 64, layers=2, heads=2)
    models.save(models.BertMLM(config, nnx.Rngs(1)), tokenizer, folder)
    theirs = transformers.BertForMaskedLM.from_pretrained(folder)
    with torch.no_grad():  # large enough weights that the context matters
        torch.manual_seed(1)
        for weight in theirs.parameters():
            weight += (0.15 if weight.ndim > 1 else 0.02) * torch.randn_like(weight)
    theirs.save_pretrained(folder)
    return models.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sga", metavar="DIR", required=True, help="clone of Zoky-2020/SGA")
    parser.add_argument("--co-attack", metavar="DIR", required=True, help="clone of Co-Attack")
    parser.add_argument("--captions", required=True, help='a JSON list of {"caption": [texts]}')
    parser.add_argument("--bert", required=True, help="vocabulary of BERT uncased, a token a line")
    parser.add_argument("--clip", required=True, help="OpenAI's bpe_simple_vocab_16e6.txt.gz")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="the row to start at")
    args = parser.parse_args()
    rows = json.loads(Path(args.captions).read_text(encoding="utf-8"))
    rows = [row["caption"] for row in rows[args.first : args.first + args.images]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model, tokenizer = victim(Path(args.clip), folder / "clip")
        mlm, reads = language_model(Path(args.bert), folder / "bert")
        corpus = data.Corpus.prepare(Captioned(rows), tokenizer, image_size=SIZE)
        theirs = dict(released(args, folder, corpus))
    for name, attack in (("Co-Attack", attacks.bert_attack), ("SGA", first_pass)):
        for preset, alignment in (("official", "official"), ("strict", "fixed")):
            table = data.build_words(
                corpus.caption_list, tokenizer, mlm, reads, alignment=alignment
            )
            run = attacks.compile_attack(attack, model, threat=THREAT, preset=preset)
            batch = corpus.with_words(table).batch(range(len(corpus)))
            found = strings(corpus, table, run(batch, jax.random.key(1)))
            same = [a == b for a, b in zip(found, theirs[name], strict=True)]
            print(f"{name:10} {preset:9} {100 * np.mean(same):6.1f} % of {len(same)} captions")
            clean = strings(corpus, table, None)
            apart = zip(clean, theirs[name], found, same, strict=True)
            shown = [one[:3] for one in apart if preset == "official" and not one[3]]
            for before, other, ours in shown:
                print(f"  {before}\n    released {other}\n    ours     {ours}")


def released(
    args: argparse.Namespace, folder: Path, corpus: data.Corpus
) -> Iterator[tuple[str, list[str]]]:
    """The captions as the released programs leave them."""
    sga, co_attack = published.sga(Path(args.sga)), published.co_attack(Path(args.co_attack))
    mlm, bert = published.masked_lm(folder / "bert")
    clip = published.Victim(folder / "clip", bert, attention="eager")
    texts = [data.clean_caption(text) for text in corpus.caption_list]
    images = torch.tensor(np.asarray(corpus.batch(range(len(corpus))).images))
    pixels = published.normalize()(images.permute(0, 3, 1, 2))
    owner = [i for i in range(len(corpus)) for _ in corpus.captions(i)]
    with torch.no_grad():
        yield "Co-Attack", co_attack.BertAttack(mlm, bert, cls=False).attack(clip, texts, 10)
        attacker = sga.TextAttacker(mlm, bert, cls=False, max_length=30)
        embeds = clip.inference_image(pixels)["image_feat"][owner]
        yield "SGA", attacker.img_guided_attack(clip, texts, img_embeds=embeds)


def strings(corpus: data.Corpus, table: WordTable, found: Adversarial | None) -> list[str]:
    """The captions, as an attack left them."""
    chosen = None if found is None else np.asarray(found.choice)
    return [
        table.caption(int(row), None if chosen is None else chosen[i, m])
        for i, own in enumerate(corpus.rows)
        for m, row in enumerate(own)
        if row >= 0
    ]


if __name__ == "__main__":
    torch.set_num_threads(2)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    main()
