"""Classification by a loop with Accelerate, as its quick tour writes it."""

import time

import torch
from accelerate import Accelerator
from shared import EPOCHS, LR, TARGET, Stopwatch, accuracy, digits, loader, network
from torch.nn.functional import cross_entropy

accelerator = Accelerator(cpu=True)
model = network()
parts = (model, torch.optim.AdamW(model.parameters(), lr=LR), loader(digits("train"), train=True))
model, optimizer, data = accelerator.prepare(*parts)
val = loader(digits("val"), train=False)
watch = Stopwatch(TARGET)
for _ in range(EPOCHS):
    start, images = time.perf_counter(), 0
    for inputs, labels in data:
        accelerator.backward(cross_entropy(model(inputs), labels))
        optimizer.step()
        optimizer.zero_grad()
        images += len(inputs)
    watch.epoch(images, time.perf_counter() - start, accuracy(model, val))
watch.report()
