"""Encoders and their files: CLIP, ALBEF, BLIP, ALIGN, BERT, tokenizers."""

from mat_jax.data.substitutes.loading import provide as _provide
from mat_jax.models.albef import ALBEF as ALBEF
from mat_jax.models.align import ALIGN as ALIGN
from mat_jax.models.answering import ALBEFAnswerer as ALBEFAnswerer
from mat_jax.models.answering import BLIPAnswerer as BLIPAnswerer
from mat_jax.models.bert import BertMLM as BertMLM
from mat_jax.models.blip import BLIP as BLIP
from mat_jax.models.blip import BLIPCaptioner as BLIPCaptioner
from mat_jax.models.clip import CLIP as CLIP
from mat_jax.models.ensemble import ModelEnsemble as ModelEnsemble
from mat_jax.models.ensemble import ensemble_of as ensemble_of
from mat_jax.models.files import load as load
from mat_jax.models.files import located as located
from mat_jax.models.files import save as save
from mat_jax.models.formats.sizes import ALBEFConfig as ALBEFConfig
from mat_jax.models.formats.sizes import ALIGNConfig as ALIGNConfig
from mat_jax.models.formats.sizes import BertConfig as BertConfig
from mat_jax.models.formats.sizes import BLIPConfig as BLIPConfig
from mat_jax.models.formats.sizes import CLIPConfig as CLIPConfig
from mat_jax.models.formats.sizes import EfficientNetConfig as EfficientNetConfig
from mat_jax.models.formats.sizes import ViTConfig as ViTConfig
from mat_jax.models.formats.tokenizer import Tokenizer as Tokenizer
from mat_jax.models.preprocessing import preprocessed as preprocessed
from mat_jax.models.specs import ForAnswering as ForAnswering
from mat_jax.models.specs import ForEntailment as ForEntailment
from mat_jax.models.specs import Fresh as Fresh
from mat_jax.models.specs import Pretrained as Pretrained
from mat_jax.models.specs import load_language_model as load_language_model
from mat_jax.models.specs import require_encoders as require_encoders
from mat_jax.models.specs import require_language_model as require_language_model

_provide(language_model=load_language_model, any_model=load)
