"""Training recognisers: recipe, trainer, data, augmentation, checkpoints; one process or many."""

from hyperface_lib.training.arcface_torch_config import ImportedConfig, read_arcface_torch_config
from hyperface_lib.training.augmentation import augment
from hyperface_lib.training.callbacks import Callback, Every, LogFile
from hyperface_lib.training.cleaning import (
    CleanedLabels,
    CleaningReport,
    clean_labels,
    dominant_sub_centers,
    drop_sub_centers,
)
from hyperface_lib.training.data import ImageRows, TrainingData, as_image_rows, open_training_data
from hyperface_lib.training.distributed import Processes, ProcessLostError, join_processes
from hyperface_lib.training.history import History, StepReport
from hyperface_lib.training.inversion import Inversion, invert_class, invert_embedding
from hyperface_lib.training.inversion_settings import PAPER_TERMS, InversionSettings
from hyperface_lib.training.label_noise import NoisyLabels, add_label_noise
from hyperface_lib.training.not_finite import NotFiniteError
from hyperface_lib.training.presets import PRESETS, recipe_preset
from hyperface_lib.training.recipe import NO_AUGMENTATION, Augmentation, Recipe, scaled_learning_rate
from hyperface_lib.training.recogniser import (
    TrainedRecogniser,
    consecutive_labels,
    create_trainer,
    train_recogniser,
    trained_recogniser,
)
from hyperface_lib.training.schedules import learning_rate_at, margin_fraction_at
from hyperface_lib.training.tensorboard import TensorBoardLog
from hyperface_lib.training.trainer import Trainer
from hyperface_lib.training.verification import Verification

__all__ = [
    "NO_AUGMENTATION",
    "PAPER_TERMS",
    "PRESETS",
    "Augmentation",
    "Callback",
    "CleanedLabels",
    "CleaningReport",
    "Every",
    "History",
    "ImageRows",
    "ImportedConfig",
    "Inversion",
    "InversionSettings",
    "LogFile",
    "NoisyLabels",
    "NotFiniteError",
    "ProcessLostError",
    "Processes",
    "Recipe",
    "StepReport",
    "TensorBoardLog",
    "TrainedRecogniser",
    "Trainer",
    "TrainingData",
    "Verification",
    "add_label_noise",
    "as_image_rows",
    "augment",
    "clean_labels",
    "consecutive_labels",
    "create_trainer",
    "dominant_sub_centers",
    "drop_sub_centers",
    "invert_class",
    "invert_embedding",
    "join_processes",
    "learning_rate_at",
    "margin_fraction_at",
    "open_training_data",
    "read_arcface_torch_config",
    "recipe_preset",
    "scaled_learning_rate",
    "train_recogniser",
    "trained_recogniser",
]
