"""Training loops that are more than one joint update a batch."""

from tfvae.loops.lagging import Lagging as Lagging
from tfvae.loops.pretraining import Pretraining as Pretraining
from tfvae.loops.training_loop import Alternating as Alternating
from tfvae.loops.training_loop import TrainingLoop as TrainingLoop
