"""Every timm model, as a classifier and as a backbone."""
