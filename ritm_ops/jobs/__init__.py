"""How fine-tuning jobs are asked for, shown and stopped."""
