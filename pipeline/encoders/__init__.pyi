from . import character_cnn as character_cnn
from .base import Encoder as Encoder, Features as Features, ImageRef as ImageRef
from .copy_network import CALIBRATED as CALIBRATED, CopyNetwork as CopyNetwork
from .embeddings import (
    WRITE_OPTIONS as WRITE_OPTIONS,
    gather_vectors as gather_vectors,
    missing_hashes as missing_hashes,
    to_table as to_table,
)
from .fingerprint import fingerprint_of as fingerprint_of, folder_digest as folder_digest
from .image.copy_detection import shipped_folder as shipped_folder
from .image.efficientnet import imagenet_layers as imagenet_layers
from .image.folder import input_size as input_size
from .image.loader import (
    load_pictures as load_pictures,
    prepare_picture as prepare_picture,
    read_picture as read_picture,
)
from .model_folder import (
    default_prompt as default_prompt,
    load_model as load_model,
    text_cutter as text_cutter,
    text_module as text_module,
)
from .opening import open_encoder as open_encoder
from .preflight import check_encoder as check_encoder
from .runtime import core_count as core_count, has_native_bfloat16 as has_native_bfloat16
from .text.distilled import distil_student as distil_student
from .text.minilm import verify_folder as verify_folder
from .text.static import StaticTextEncoder as StaticTextEncoder
from .windows import WindowCutter as WindowCutter
