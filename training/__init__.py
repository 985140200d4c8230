"""Fine-tuning jobs from exported annotations."""
