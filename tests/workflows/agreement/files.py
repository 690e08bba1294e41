"""Files of annotation tools with the annotation of several people, for the tests."""

import json

TEXTS = ["Ada Khan saw Rome.", "Nobody was there.", "Rome is old."]
# What two people mark in each text: first character, end, label
ADA = [[(0, 8, "PERSON"), (13, 17, "CITY")], [], [(0, 4, "CITY")]]
BEA = [[(0, 3, "PERSON"), (13, 17, "CITY")], [], [(0, 4, "TEAM")]]


def label_studio(path, **annotations):
    """An export of tasks, each with the annotation of everybody who has not given None."""
    tasks = []
    for i, text in enumerate(TEXTS):
        said = [(who, spans[i]) for who, spans in annotations.items() if spans[i] is not None]
        results = [(who, [region(text, *span) for span in spans]) for who, spans in said]
        each = [{"completed_by": {"email": who}, "result": result} for who, result in results]
        tasks.append({"id": i, "data": {"text": text}, "annotations": each})
    path.write_text(json.dumps(tasks))
    return path


def region(text, start, end, label):
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"from_name": "label", "to_name": "text", "type": "labels", "value": value}


def prodigy(path, **annotations):
    """The tasks of all sessions in one file, one after the other."""
    lines = []
    for who, spans in annotations.items():
        for text, of_text in zip(TEXTS, spans):
            marked = [{"start": start, "end": end, "label": label} for start, end, label in of_text]
            about = {"_view_id": "ner_manual", "_session_id": f"names-{who}", "answer": "accept"}
            lines.append({"text": text, "spans": marked, **about})
    return written(path, lines)


def doccano(path, spans, texts=TEXTS):
    """The file of one user."""
    lines = [{"id": i, "text": text, "label": spans[i]} for i, text in enumerate(texts)]
    return written(path, lines)


def written(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def brat(folder, spans):
    """The folder of one annotator."""
    folder.mkdir(parents=True)
    for i, text in enumerate(TEXTS):
        (folder / f"{i}.txt").write_text(text)
        lines = [
            f"T{n}\t{label} {start} {end}\t{text[start:end]}\n"
            for n, (start, end, label) in enumerate(spans[i], start=1)
        ]
        (folder / f"{i}.ann").write_text("".join(lines))
    return folder
