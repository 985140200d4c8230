"""Changes of a recipe that make a run take seconds; each file of tests adds what it is about."""

from __future__ import annotations

SHORT = (
    "data.licence_classes=null",
    "data.source_weights={}",
    "data.validation_share=0.3",
    "data.crop=[32, 48]",
    "data.min_area=20",
    "validation={objects: 2, clicks: 2}",
    "batch_size=2",
    "epochs=1",
    "epoch_samples=8",
    "checkpoint_steps=2",
    "log_steps=2",
    "optimiser.warmup=0",
)
HRNET = (
    "model.family=hrnet",
    "model.params={width: 2, ocr_width: 4, small: true, with_aux_output: true, with_prev_mask: true, "
    "use_rgb_conv: false, use_disks: true, norm_radius: 5}",
)
