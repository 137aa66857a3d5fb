"""An ALBEF in torch, put together from parts of transformers, and its published layout."""

import numpy as np
import torch
import transformers
from torch.nn.functional import normalize
from transformers.models.blip import modeling_blip, modeling_blip_text

from mat_jax.models.formats.preprocessing import OPENAI

FUSION = 2  # blocks before fusion, and blocks of it


class Reference(torch.nn.Module):
    """BLIP's image tower is ALBEF's, and BLIP's text tower can be run as ALBEF's in two parts."""

    def __init__(self, vision: dict, text: dict, embed: int = 24):
        super().__init__()
        vision = {"layer_norm_eps": 1e-6, "initializer_range": 0.02} | vision
        self.vision_model = modeling_blip.BlipVisionModel(transformers.BlipVisionConfig(**vision))
        wide = self.vision_model.config.hidden_size
        of_text = transformers.BlipTextConfig(encoder_hidden_size=wide, **text)
        self.text = modeling_blip_text.BlipTextModel(of_text, add_pooling_layer=False)
        narrow = of_text.hidden_size
        self.vision_proj = torch.nn.Linear(wide, embed)
        self.text_proj = torch.nn.Linear(narrow, embed)
        self.itm_head = torch.nn.Linear(narrow, 2)
        self.cls_head = torch.nn.Sequential(
            torch.nn.Linear(narrow, narrow), torch.nn.ReLU(), torch.nn.Linear(narrow, 3)
        )

    def encode_image(self, images):
        images = (images - torch.tensor(OPENAI.mean)) / torch.tensor(OPENAI.std)
        tokens = self.vision_model(pixel_values=images.permute(0, 3, 1, 2)).last_hidden_state
        return tokens, normalize(self.vision_proj(tokens[:, 0]))

    def encode_text(self, tokens, fusion=FUSION):
        ids = torch.as_tensor(tokens.ids, dtype=torch.long)
        hidden = self.run(self.text.embeddings(ids), tokens, slice(fusion), None)
        return hidden, normalize(self.text_proj(hidden[:, 0]))

    def fuse(self, image, hidden, tokens, fusion=FUSION):
        return self.run(hidden, tokens, slice(fusion, None), image)

    def run(self, x, tokens, layers, image):
        hide = torch.where(torch.as_tensor(tokens.mask), 0.0, torch.finfo(x.dtype).min)
        for layer in self.text.encoder.layer[layers]:
            x = layer(x, image, attention_mask=hide[:, None, None])
        return x


PUBLISHED = {
    "vision_model.embeddings.class_embedding": "visual_encoder.cls_token",
    "vision_model.embeddings.position_embedding": "visual_encoder.pos_embed",
    "vision_model.embeddings.patch_embedding": "visual_encoder.patch_embed.proj",
    "vision_model.encoder.layers": "visual_encoder.blocks",
    "layer_norm": "norm",
    "self_attn.projection": "attn.proj",
    "self_attn": "attn",
    "vision_model.post_layernorm": "visual_encoder.norm",
}


def published(name: str) -> str:
    """What ALBEF's and BLIP's own code calls a tensor of transformers' BLIP."""
    for theirs, own in PUBLISHED.items():
        name = name.replace(theirs, own)
    return name


def original(reference: Reference, task: str, fusion: int = FUSION) -> dict[str, np.ndarray]:
    """The tensors a published checkpoint of such a model holds, as ALBEF's code names them."""
    entailment = task == "entailment"
    heads = ("cls_head",) if entailment else ("vision_proj", "text_proj", "itm_head")
    found = {} if entailment else {"temp": np.asarray(0.05, np.float32)}
    for name, tensor in reference.state_dict().items():
        part, rest = name.split(".", 1)
        if part == "vision_model":
            name = published(name)
        elif part == "text":
            name = f"text_encoder.{rest}"
            number = [int(n) for n in name.split(".") if n.isdigit()]
            if "crossattention" in name and number[0] < fusion:
                continue
        elif part not in heads:
            continue
        found[name] = tensor.numpy()
    # The reference has no segments: theirs are in its positions.
    width = reference.text.config.hidden_size
    types = np.random.default_rng(1).normal(size=(2, width)).astype(np.float32)
    positions = "text_encoder.embeddings.position_embeddings.weight"
    found[positions] = found[positions] - types[0]
    found["text_encoder.embeddings.token_type_embeddings.weight"] = types
    return found


def training_state(tensors):
    """What else is in a checkpoint: slow copies, queues, a buffer."""
    slow = {name.replace(".", "_m.", 1): tensor for name, tensor in tensors.items() if "." in name}
    queues = {"image_queue": np.zeros((4, 8)), "idx_queue": np.zeros(8), "queue_ptr": np.zeros(1)}
    return slow | queues | {"text_encoder.embeddings.position_ids": np.arange(24)[None]}
