"""Classification by hw1cli."""

from shared import BATCH, EPOCHS, LR, TARGET, hw1cli

hw1cli(
    f"trainer: {{{{use: classification, epochs: {EPOCHS}, batch_size: {BATCH}}}}}\n"
    "data: {{use: image_folders, root: {data}/digits}}\n"
    "model: {{use: timm/test_resnet, pretrained: false}}\n"
    f"optimizer: {{{{use: adamw, lr: {LR}}}}}\n",
    TARGET,
    "accuracy",
)
