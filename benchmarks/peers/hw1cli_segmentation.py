"""Segmentation by hw1cli."""

from shared import LR, SCENE_BATCH, SCENE_EPOCHS, SCENE_TARGET, hw1cli

hw1cli(
    f"trainer: {{{{use: segmentation, epochs: {SCENE_EPOCHS}, batch_size: {SCENE_BATCH}}}}}\n"
    "data: {{use: landcover, root: {data}/scenes}}\n"
    "model: {{use: smp/unet, backbone: {{use: timm/resnet10t, pretrained: false}}}}\n"
    "loss: focal\n"
    f"optimizer: {{{{use: adamw, lr: {LR}}}}}\n"
    "augment: {{train: [albumentations/HorizontalFlip]}}\n",
    SCENE_TARGET,
    "miou",
)
