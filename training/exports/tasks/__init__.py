"""Tasks of Label Studio: rows, whose of them count, and their pictures."""
