"""Classification by the parts of timm's train.py: its data set, loader, optimizer, average meter."""

import time

from shared import BATCH, DATA, EPOCHS, LR, MEAN, SIDE, STD, TARGET, Stopwatch, accuracy, network
from timm.data import create_dataset, create_loader
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch.nn.functional import cross_entropy


def made(split: str, training: bool):
    data = create_dataset("", root=str(DATA / "digits" / split))
    settings = {"mean": MEAN, "std": STD, "no_aug": True, "num_workers": 0, "use_prefetcher": False}
    settings["persistent_workers"] = False
    return create_loader(data, (3, SIDE, SIDE), BATCH, is_training=training, interpolation="bilinear", **settings)


model = network()
optimizer = create_optimizer_v2(model, opt="adamw", lr=LR, weight_decay=0.01)
data, val = made("train", True), made("val", False)
watch = Stopwatch(TARGET)
for _ in range(EPOCHS):
    start, images, losses = time.perf_counter(), 0, AverageMeter()
    for inputs, labels in data:
        loss = cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.update(loss.item(), len(inputs))
        images += len(inputs)
    watch.epoch(images, time.perf_counter() - start, accuracy(model, val))
watch.report()
