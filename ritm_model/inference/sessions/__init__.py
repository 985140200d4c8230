"""The sessions of annotators: prompts without memory, answered from the states of earlier clicks."""
