"""A live model of an annotation tool: what the integrations of such tools have in common.

A tool gets predictions, and tells what was annotated. From that, new versions of the pipeline are
trained in a process of its own and swapped in.
"""
