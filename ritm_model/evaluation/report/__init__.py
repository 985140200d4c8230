"""One HTML file that says what evaluations have found, for people who were not there."""

from ritm_model.evaluation.report.cases import Sources, WorstCases, worst_cases
from ritm_model.evaluation.report.page import render_report
from ritm_model.evaluation.report.runs import Group, Run, find_runs, grouped, read_runs

__all__ = [
    "Group",
    "Run",
    "Sources",
    "WorstCases",
    "find_runs",
    "grouped",
    "read_runs",
    "render_report",
    "worst_cases",
]
