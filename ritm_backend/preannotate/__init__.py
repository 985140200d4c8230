"""`ritm preannotate`: tasks that nobody has annotated begin with regions made of what a detector found."""
