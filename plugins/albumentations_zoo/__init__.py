"""Every albumentations transform as an augmentation."""
