"""Raw English text under open licences, for an encoder to learn from.

A text is a paragraph, or a pack of consecutive paragraphs of one document, of 20 to 400 words. The
texts come out of git repositories; see `sources.py` for which, and sources.json for what was found.
"""
