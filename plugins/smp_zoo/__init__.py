"""Every architecture, encoder and loss of segmentation_models_pytorch, over any backbone."""
