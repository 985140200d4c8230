"""What people are shown of a fine-tuned model before they decide on it."""
