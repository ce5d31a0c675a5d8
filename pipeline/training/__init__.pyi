from . import model_evaluation as model_evaluation
from .finetuning import finetune as finetune, plan_finetune as plan_finetune
from .model_evaluation import find_model as find_model
from .recalibration import recalibrate as recalibrate
from .refitting import JudgeRefitter as JudgeRefitter
from .self_supervised.train import train_self_supervised as train_self_supervised
