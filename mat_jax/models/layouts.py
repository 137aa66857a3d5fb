"""The names in the files of ALBEF, TCL and BLIP: as published, and as transformers has BLIP."""

from mat_jax.models.convert import Layout, Rule, bert_text, dense, fused, layer_norm, mlm_head


def _plain_vit(
    *, cls: str, pos: str, patch: str, block: str, norm: str, attn: str, out: str, last: str
) -> list[Rule]:
    ours = "vision.blocks.#"
    return [
        Rule(cls, "vision.cls", ones=2),
        Rule(pos, "vision.pos", ones=1),
        Rule(f"{patch}.weight", "vision.patch.kernel", (2, 3, 1, 0)),
        Rule(f"{patch}.bias", "vision.patch.bias"),
        *layer_norm(f"{block}.{norm}1", f"{ours}.ln1"),
        *layer_norm(f"{block}.{norm}2", f"{ours}.ln2"),
        *fused(f"{block}.{attn}.qkv", f"{ours}.attn"),
        *dense(f"{block}.{attn}.{out}", f"{ours}.attn.o"),
        *dense(f"{block}.mlp.fc1", f"{ours}.mlp.fc1"),
        *dense(f"{block}.mlp.fc2", f"{ours}.mlp.fc2"),
        *layer_norm(last, "vision.ln_post"),
    ]


_ORIGINAL_VIT = _plain_vit(
    cls="visual_encoder.cls_token",
    pos="visual_encoder.pos_embed",
    patch="visual_encoder.patch_embed.proj",
    block="visual_encoder.blocks.#",
    norm="norm",
    attn="attn",
    out="proj",
    last="visual_encoder.norm",
)
_BLIP_VIT = _plain_vit(
    cls="vision_model.embeddings.class_embedding",
    pos="vision_model.embeddings.position_embedding",
    patch="vision_model.embeddings.patch_embedding",
    block="vision_model.encoder.layers.#",
    norm="layer_norm",
    attn="self_attn",
    out="projection",
    last="vision_model.post_layernorm",
)
_RETRIEVAL_HEADS = [
    *dense("vision_proj", "vision_proj"),
    *dense("text_proj", "text_proj"),
    *dense("itm_head", "itm_head"),
]
# Slow copies of all weights and queues of features, which only training reads.
_TRAINING = (r"\w+_m\..*", r"\w*queue\w*", r".*\.position_ids")

ALBEF_ORIGINAL = Layout(
    rules=(
        *_ORIGINAL_VIT,
        *bert_text("text_encoder", "text"),
        *_RETRIEVAL_HEADS,
        *dense("cls_head.0", "cls_hidden"),
        *dense("cls_head.2", "cls_head"),
        Rule("temp", "temp"),
    ),
    ignored=(*_TRAINING, r"text_encoder\.cls\..*"),
    renamed=((r"^text_encoder\.bert\.", "text_encoder."),),  # so in the pre-trained files
)

_BLIP_TEXT = [
    *bert_text("text_encoder", "text"),
    *bert_text("text_decoder.bert", "decoder"),
    *mlm_head("text_decoder.cls.predictions"),
    *_RETRIEVAL_HEADS,
]
_BLIP_IGNORED = (*_TRAINING, r"text_decoder\.cls\.predictions\.decoder\..*", "temp")
BLIP_HF = Layout((*_BLIP_VIT, *_BLIP_TEXT), _BLIP_IGNORED)
BLIP_ORIGINAL = Layout((*_ORIGINAL_VIT, *_BLIP_TEXT), _BLIP_IGNORED)
