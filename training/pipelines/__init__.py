"""Pipelines: whose labels are learnt from, how, and which model that makes."""
