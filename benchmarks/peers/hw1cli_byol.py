"""BYOL by hw1cli."""

from shared import BATCH, BYOL_EPOCHS, BYOL_TARGET, LR, SIDE, hw1cli

hw1cli(
    f"trainer: {{{{use: byol, epochs: {BYOL_EPOCHS}, batch_size: {BATCH}, hidden_dim: 1024, output_dim: 256}}}}\n"
    "data: {{use: image_folders, root: {data}/digits}}\n"
    "backbone: {{use: timm/test_resnet, pretrained: false}}\n"
    f"views: [{{{{use: byol_view_1, size: {SIDE}}}}}, {{{{use: byol_view_2, size: {SIDE}}}}}]\n"
    f"optimizer: {{{{use: adamw, lr: {LR}}}}}\n",
    BYOL_TARGET,
    "knn",
)
