"""Segmentation by SMP's model and loss with torch's DataLoader, as its examples do."""

import segmentation_models_pytorch as smp
from shared import SCENE_BATCH, SCENE_EPOCHS, SCENE_TARGET, Scenes, loader, miou, segmenter, train

data = loader(Scenes("train"), batch=SCENE_BATCH, train=True)
val = loader(Scenes("validation"), batch=SCENE_BATCH, train=False)
loss = smp.losses.FocalLoss("multiclass", ignore_index=6)
train(segmenter(), data, val, miou, loss, SCENE_TARGET, SCENE_EPOCHS)
