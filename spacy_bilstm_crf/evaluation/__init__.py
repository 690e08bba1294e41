"""How good a recognizer is and where it fails. The data flow one way.

`mentions` reads gold and predicted entities out of docs, `matching` pairs them. `metrics`,
`slices`, `errors`, `probabilities` and `comparison` make numbers of the pairs. `report` puts these
together, as they are in the JSON file; `pictures` and `page` show them. It works for any pipeline
that sets `doc.ents`.
"""
