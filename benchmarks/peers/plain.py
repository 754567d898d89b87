"""Classification by the plain loop."""

from shared import EPOCHS, TARGET, accuracy, digits, loader, network, train
from torch.nn.functional import cross_entropy

data, val = loader(digits("train"), train=True), loader(digits("val"), train=False)
train(network(), data, val, accuracy, cross_entropy, TARGET, EPOCHS)
