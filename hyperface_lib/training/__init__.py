"""Training recognisers: recipe, trainer, augmentation, checkpoints."""

from hyperface_lib.training.augmentation import augment
from hyperface_lib.training.callbacks import Callback, Every, LogFile
from hyperface_lib.training.presets import PRESETS, recipe_preset
from hyperface_lib.training.recipe import NO_AUGMENTATION, Augmentation, Recipe
from hyperface_lib.training.recogniser import TrainedRecogniser, consecutive_labels, create_trainer, train_recogniser
from hyperface_lib.training.schedules import learning_rate_at, margin_fraction_at
from hyperface_lib.training.trainer import History, NotFiniteError, StepReport, Trainer

__all__ = [
    "NO_AUGMENTATION",
    "PRESETS",
    "Augmentation",
    "Callback",
    "Every",
    "History",
    "LogFile",
    "NotFiniteError",
    "Recipe",
    "StepReport",
    "TrainedRecogniser",
    "Trainer",
    "augment",
    "consecutive_labels",
    "create_trainer",
    "learning_rate_at",
    "margin_fraction_at",
    "recipe_preset",
    "train_recogniser",
]
