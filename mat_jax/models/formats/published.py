"""Sizes of published checkpoints by their names, for those who have not fetched them yet."""

from typing import Any

from mat_jax.models.formats.sizes import (
    ALBEFConfig,
    ALIGNConfig,
    BertConfig,
    BLIPConfig,
    CLIPConfig,
    ViTConfig,
)

B32 = CLIPConfig(patch_size=32)
L14 = CLIPConfig(
    patch_size=14,
    vision=ViTConfig(1024, 24, 16, eps=1e-5),
    text=BertConfig(49408, 77, 768, 12, 12, eps=1e-5, pad=49407),
    embed=768,
)
L14_336 = CLIPConfig(336, 14, L14.vision, L14.text, 768)
# Cherti et al. 2023 (arXiv:2212.07143), Table 24: OpenCLIP's ViT-H/14.
H14 = CLIPConfig(
    patch_size=14,
    vision=ViTConfig(1280, 32, 16, eps=1e-5),
    text=BertConfig(49408, 77, 1024, 24, 16, eps=1e-5, pad=49407),
    embed=1024,
    vision_act="gelu",
    text_act="gelu",
)

# A name of the hub, or of a file that is published as such.
SIZES: dict[str, Any] = {
    "openai/clip-vit-base-patch16": CLIPConfig(),
    "openai/clip-vit-base-patch32": B32,
    "openai/clip-vit-large-patch14": L14,
    "openai/clip-vit-large-patch14-336": L14_336,
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": H14,
    "chs20/fare2-clip": L14,
    "chs20/tecoa2-clip": L14,
    "kakaobrain/align-base": ALIGNConfig(),
    "Salesforce/blip-itm-base-coco": BLIPConfig(),
    "Salesforce/blip-itm-base-flickr": BLIPConfig(),
    "Salesforce/blip-image-captioning-base": BLIPConfig(task="captioning"),
    "ALBEF.pth": ALBEFConfig(image_size=256),
    "flickr30k.pth": ALBEFConfig(),
    "mscoco.pth": ALBEFConfig(),
}
