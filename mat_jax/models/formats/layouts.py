"""The names of tensors in files: of transformers, of OpenAI's CLIP, of ALBEF, TCL and BLIP."""

from mat_jax.models.formats.rules import Layout, Rule, block, conv, dense, fused, layer_norm


def _clip_blocks(tower: str) -> list[Rule]:
    layers = {f"self_attn.{name}_proj": f"attn.{name}" for name in "qkv"}
    layers |= {"self_attn.out_proj": "attn.o", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    theirs, ours = f"{tower}_model.encoder.layers.#", f"{tower}.blocks.#"
    return block(theirs, ours, ("layer_norm1", "layer_norm2"), layers)


def _openai_blocks(theirs: str, ours: str) -> list[Rule]:
    theirs, ours = f"{theirs}.resblocks.#", f"{ours}.blocks.#"
    layers = {"attn.out_proj": "attn.o", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    return [
        *block(theirs, ours, ("ln_1", "ln_2"), layers),
        *fused(f"{theirs}.attn.in_proj", f"{ours}.attn", "_"),
    ]


def _bert_text(theirs: str, ours: str) -> list[Rule]:
    """BERT without its head; its cross-attention, where it has one, is to an image."""
    layers = {"intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2"}
    for there, here in (("attention", "attn"), ("crossattention", "cross.attn")):
        names = ("self.query", "self.key", "self.value", "output.dense")
        layers |= {f"{there}.{a}": f"{here}.{b}" for a, b in zip(names, "qkvo", strict=True)}
    layer, ours_layer = f"{theirs}.encoder.layer.#", f"{ours}.blocks.#"
    norms = ("attention.output.LayerNorm", "output.LayerNorm")
    return [
        Rule(f"{theirs}.embeddings.word_embeddings.weight", f"{ours}.tok"),
        Rule(f"{theirs}.embeddings.position_embeddings.weight", f"{ours}.pos"),
        Rule(f"{theirs}.embeddings.token_type_embeddings.weight", f"{ours}.type"),
        *layer_norm(f"{theirs}.embeddings.LayerNorm", f"{ours}.ln_emb"),
        *block(layer, ours_layer, norms, layers),
        *layer_norm(f"{layer}.crossattention.output.LayerNorm", f"{ours_layer}.cross.ln"),
    ]


def _mlm_head(theirs: str) -> list[Rule]:
    """The head that predicts words, without its table, which is the one of the embeddings."""
    return [
        *dense(f"{theirs}.transform.dense", "mlm.dense"),
        *layer_norm(f"{theirs}.transform.LayerNorm", "mlm.ln"),
        Rule(f"{theirs}.bias", "mlm.bias"),
    ]


def _plain_vit(
    *, cls: str, pos: str, patch: str, blocks: str, norm: str, attn: str, out: str, last: str
) -> list[Rule]:
    layers = {f"{attn}.{out}": "attn.o", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    return [
        Rule(cls, "vision.cls", ones=2),
        Rule(pos, "vision.pos", ones=1),
        *conv(patch, "vision.patch"),
        *block(blocks, "vision.blocks.#", (f"{norm}1", f"{norm}2"), layers),
        *fused(f"{blocks}.{attn}.qkv", "vision.blocks.#.attn"),
        *layer_norm(last, "vision.ln_post"),
    ]


def _conv_norm(theirs: str, parts: tuple[str, str], ours: str) -> list[Rule]:
    """A convolution without bias and the batch normalisation after it are one module of ours."""
    kernel, norm = (f"{theirs}.{part}" for part in parts)
    statistics = [Rule(f"{norm}.{s}", f"{ours}.{s}") for s in ("running_mean", "running_var")]
    return [conv(kernel, ours)[0], *layer_norm(norm, ours), *statistics]


CLIP_HF = Layout(
    rules=(
        Rule("vision_model.embeddings.class_embedding", "vision.cls"),
        conv("vision_model.embeddings.patch_embedding", "vision.patch")[0],
        Rule("vision_model.embeddings.position_embedding.weight", "vision.pos"),
        *layer_norm("vision_model.pre_layrnorm", "vision.ln_pre"),  # so spelt
        *_clip_blocks("vision"),
        *layer_norm("vision_model.post_layernorm", "vision.ln_post"),
        Rule("visual_projection.weight", "vision_proj.kernel", (1, 0)),
        Rule("text_model.embeddings.token_embedding.weight", "text.tok"),
        Rule("text_model.embeddings.position_embedding.weight", "text.pos"),
        *_clip_blocks("text"),
        *layer_norm("text_model.final_layer_norm", "text.ln_post"),
        Rule("text_projection.weight", "text_proj.kernel", (1, 0)),
        Rule("logit_scale", "logit_scale"),
    ),
    ignored=(r".*\.embeddings\.position_ids",),
)

# OpenAI's own files, and open_clip's.
CLIP_OPENAI = Layout(
    rules=(
        Rule("visual.class_embedding", "vision.cls"),
        conv("visual.conv1", "vision.patch")[0],
        Rule("visual.positional_embedding", "vision.pos"),
        *layer_norm("visual.ln_pre", "vision.ln_pre"),
        *_openai_blocks("visual.transformer", "vision"),
        *layer_norm("visual.ln_post", "vision.ln_post"),
        Rule("visual.proj", "vision_proj.kernel"),  # as we keep it, not as torch keeps weights
        Rule("token_embedding.weight", "text.tok"),
        Rule("positional_embedding", "text.pos"),
        *_openai_blocks("transformer", "text"),
        *layer_norm("ln_final", "text.ln_post"),
        Rule("text_projection", "text_proj.kernel"),
        Rule("logit_scale", "logit_scale"),
    ),
    ignored=("input_resolution", "context_length", "vocab_size", "attn_mask"),
    sizes="what its other tensors say",
)

BERT_MLM_HF = Layout(
    rules=(*_bert_text("bert", "text"), *_mlm_head("cls.predictions")),
    ignored=(
        r"bert\.embeddings\.position_ids",
        r"bert\.pooler\..*",
        r"cls\.seq_relationship\..*",
        r"cls\.predictions\.decoder\..*",  # tied to the word embeddings and to the bias
    ),
    renamed=((r"\.gamma$", ".weight"), (r"\.beta$", ".bias")),
)

_THEIRS, _OURS = "vision_model.encoder.blocks.#", "vision.blocks.#"
_DEPTHWISE = ("depthwise_conv", "depthwise_norm")
ALIGN_HF = Layout(
    rules=(
        *_conv_norm("vision_model.embeddings", ("convolution", "batchnorm"), "vision.stem"),
        *_conv_norm(f"{_THEIRS}.expansion", ("expand_conv", "expand_bn"), f"{_OURS}.expand"),
        *_conv_norm(f"{_THEIRS}.depthwise_conv", _DEPTHWISE, f"{_OURS}.depthwise"),
        *conv(f"{_THEIRS}.squeeze_excite.reduce", f"{_OURS}.down"),
        *conv(f"{_THEIRS}.squeeze_excite.expand", f"{_OURS}.up"),
        *_conv_norm(f"{_THEIRS}.projection", ("project_conv", "project_bn"), f"{_OURS}.project"),
        *_bert_text("text_model", "text"),
        *dense("text_model.pooler.dense", "pooler"),
        *dense("text_projection", "text_proj"),
        Rule("temperature", "temp"),
    ),
    ignored=(r".*\.num_batches_tracked", r".*\.embeddings\.(position|token_type)_ids"),
    counters=((".running_var", ".num_batches_tracked"),),
)

_ORIGINAL_VIT = _plain_vit(
    cls="visual_encoder.cls_token",
    pos="visual_encoder.pos_embed",
    patch="visual_encoder.patch_embed.proj",
    blocks="visual_encoder.blocks.#",
    norm="norm",
    attn="attn",
    out="proj",
    last="visual_encoder.norm",
)
_RETRIEVAL_HEADS = [
    *dense("vision_proj", "vision_proj"),
    *dense("text_proj", "text_proj"),
    *dense("itm_head", "itm_head"),
]
# The table of a decoder's head is that of its embeddings, and its bias is there twice.
_TIED = r"text_decoder\.cls\.predictions\.decoder\..*"
# Slow copies of all weights and queues of features, which only training reads.
_TRAINING = (r"\w+_m\..*", r"\w*queue\w*", r".*\.position_ids")

ALBEF_ORIGINAL = Layout(
    rules=(
        *_ORIGINAL_VIT,
        *_bert_text("text_encoder", "text"),
        *_bert_text("text_decoder.bert", "decoder"),
        *_mlm_head("text_decoder.cls.predictions"),
        *_RETRIEVAL_HEADS,
        *dense("cls_head.0", "cls_hidden"),
        *dense("cls_head.2", "cls_head"),
        Rule("temp", "temp"),
    ),
    ignored=(*_TRAINING, r"text_encoder\.cls\..*", _TIED),
    renamed=((r"^text_encoder\.bert\.", "text_encoder."),),  # so in the pre-trained files
)

_BLIP_VIT = _plain_vit(
    cls="vision_model.embeddings.class_embedding",
    pos="vision_model.embeddings.position_embedding",
    patch="vision_model.embeddings.patch_embedding",
    blocks="vision_model.encoder.layers.#",
    norm="layer_norm",
    attn="self_attn",
    out="projection",
    last="vision_model.post_layernorm",
)
_BLIP_TEXT = [
    *_bert_text("text_encoder", "text"),
    *_bert_text("text_decoder.bert", "decoder"),
    *_mlm_head("text_decoder.cls.predictions"),
    *_RETRIEVAL_HEADS,
]
_BLIP_IGNORED = (*_TRAINING, _TIED, "temp")
BLIP_HF = Layout((*_BLIP_VIT, *_BLIP_TEXT), _BLIP_IGNORED)
BLIP_ORIGINAL = Layout((*_ORIGINAL_VIT, *_BLIP_TEXT), _BLIP_IGNORED)
