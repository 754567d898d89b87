"""Classification by Lightning's Trainer, with its bar, logger and checkpoints as they are by default."""

import tempfile
import time

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from shared import EPOCHS, LR, TARGET, Stopwatch, digits, loader, network
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model, self.accuracy = network(), MulticlassAccuracy(10, average="micro")

    def training_step(self, batch, _):
        loss = cross_entropy(self.model(batch[0]), batch[1])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, _):
        self.accuracy(self.model(batch[0]), batch[1])
        self.log("accuracy", self.accuracy, prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=LR)


class Watch(Callback):
    def __init__(self) -> None:
        self.watch = Stopwatch(TARGET)

    def on_train_epoch_start(self, trainer, module):
        self.start, self.spent = time.perf_counter(), None

    def on_validation_start(self, trainer, module):
        if not trainer.sanity_checking:
            self.spent = time.perf_counter() - self.start

    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            self.watch.epoch(images, self.spent, float(trainer.callback_metrics["accuracy"]))


data, val = loader(digits("train"), train=True), loader(digits("val"), train=False)
images = len(data) * data.batch_size
watching = Watch()
with tempfile.TemporaryDirectory() as folder:
    trainer = pl.Trainer(max_epochs=EPOCHS, accelerator="cpu", default_root_dir=folder, callbacks=[watching])
    trainer.fit(Classifier(), data, val)
watching.watch.report()
