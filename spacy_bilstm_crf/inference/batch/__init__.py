"""Annotation of many documents, on one machine or many."""

from .table import AnnotatorSettings, TableAnnotator
