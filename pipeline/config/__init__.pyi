from .base import PURPOSES as PURPOSES, explain_errors as explain_errors, user_cache as user_cache
from .candidates import (
    CandidateSettings as CandidateSettings,
    ExactIndex as ExactIndex,
    FaissIndex as FaissIndex,
    IndexConfig as IndexConfig,
    LexicalSettings as LexicalSettings,
    RareWordSettings as RareWordSettings,
)
from .encoders import (
    CharacterCnn as CharacterCnn,
    CopyDetection as CopyDetection,
    DistillSettings as DistillSettings,
    ImageEncoderConfig as ImageEncoderConfig,
    MiniLmEncoder as MiniLmEncoder,
    OnnxImage as OnnxImage,
    SentenceTransformersImage as SentenceTransformersImage,
    SentenceTransformersText as SentenceTransformersText,
    StaticText as StaticText,
    StudentConfig as StudentConfig,
    TextEncoderConfig as TextEncoderConfig,
    TorchScriptImage as TorchScriptImage,
    ToyImage as ToyImage,
    ToyText as ToyText,
    check_student as check_student,
)
from .finetune import (
    EncoderTraining as EncoderTraining,
    JudgeTraining as JudgeTraining,
    NegativeSettings as NegativeSettings,
    Objective as Objective,
    PromotionSettings as PromotionSettings,
    SplitSettings as SplitSettings,
    TrainConfig as TrainConfig,
    load_train_config as load_train_config,
)
from .gates import GateSettings as GateSettings
from .labels import (
    ClusterLabels as ClusterLabels,
    InlineLabels as InlineLabels,
    LabelConfig as LabelConfig,
    PairLabels as PairLabels,
    VerdictLabels as VerdictLabels,
)
from .matching import (
    CosineRule as CosineRule,
    JudgeSettings as JudgeSettings,
    SelfCalibrationSettings as SelfCalibrationSettings,
)
from .outputs import (
    CommandHook as CommandHook,
    Email as Email,
    ExportSettings as ExportSettings,
    Format as Format,
    Notify as Notify,
    Outcome as Outcome,
    ReportSettings as ReportSettings,
    Webhook as Webhook,
    What as What,
)
from .run import (
    ClusterSettings as ClusterSettings,
    RetentionSettings as RetentionSettings,
    RunConfig as RunConfig,
    load_config as load_config,
)
from .self_supervised import (
    PictureViewSettings as PictureViewSettings,
    ViewLearning as ViewLearning,
    ViewTrainConfig as ViewTrainConfig,
    is_view_config as is_view_config,
    load_view_config as load_view_config,
)
from .sources import (
    Columns as Columns,
    CsvSource as CsvSource,
    ImageFolderSource as ImageFolderSource,
    ImageSettings as ImageSettings,
    JsonlSource as JsonlSource,
    ParquetSource as ParquetSource,
    SheetSource as SheetSource,
    SourceBase as SourceBase,
    SourceConfig as SourceConfig,
    TableSource as TableSource,
    duplicate_free_names as duplicate_free_names,
)
