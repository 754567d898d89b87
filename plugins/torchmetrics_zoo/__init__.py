"""torchmetrics' scores of classification and segmentation as metrics."""
