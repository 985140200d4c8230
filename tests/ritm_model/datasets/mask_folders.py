"""What the tests of folders with images and masks share."""

from pathlib import Path

from ritm_model.datasets import open_dataset


def opened(name, painter):
    return open_dataset(name, {name.partition(":")[0]: painter.root})


def reasons(dataset):
    return {Path(problem.file).name: problem.reason for problem in dataset.problems}


def keys_of(dataset):
    return [sample.name for sample in dataset]
