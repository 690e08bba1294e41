"""Calibrate the probabilities of a trained pipeline, on data that it was not trained on.

    python -m spacy_bilstm_crf.calibrate PIPELINE DATA [--output FOLDER] [--component ner]

PIPELINE is a folder that `spacy train` made; DATA is a `.spacy` file or a folder of them, best the
development data. The pipeline is saved with its calibration where it was, or in another folder.
"""

import argparse
from pathlib import Path
from typing import Iterable, Tuple

import spacy
from spacy.tokens import Doc
from spacy.training import Corpus

from .calibration import Calibration
from .pipeline import BiLSTMCRFEntityRecognizer


def calibrate(
    pipeline: Path, data: Path, output: Path, component: str
) -> Tuple[Calibration, Tuple[str, ...]]:
    """Fit the temperature and the labels' biases of a component, and save its pipeline.

    pipeline (Path): The pipeline's folder.
    data (Path): Annotated docs.
    output (Path): Where to save it.
    component (str): The component's name.
    RETURNS (Tuple[Calibration, Tuple[str, ...]]): The temperature and the biases, and the labels
        that these are of.
    RAISES (ValueError): If the component is not one of ours or the data has no annotation.
    """
    nlp = spacy.load(pipeline)
    ner = nlp.get_pipe(component)
    if not isinstance(ner, BiLSTMCRFEntityRecognizer):
        raise ValueError(
            f"The component '{component}' of {pipeline} is a '{type(ner).__name__}', which has no "
            f"temperature. Name the one whose factory is bilstm_crf_ner: --component NAME."
        )
    examples = list(Corpus(data)(nlp))
    docs: Iterable[Doc] = [example.predicted for example in examples]
    # A tok2vec or transformer that the component listens to comes before it
    for _, pipe in nlp.pipeline[: nlp.pipe_names.index(component)]:
        docs = pipe.pipe(docs) if hasattr(pipe, "pipe") else map(pipe, docs)
    for example, doc in zip(examples, list(docs)):
        example.predicted = doc
    found = ner.calibrate(examples)
    nlp.to_disk(output)
    return found, ner.labels


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Calibrate the probabilities of a pipeline.")
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--component", default="ner")
    arguments = parser.parse_args()
    output = arguments.output or arguments.pipeline
    found, labels = calibrate(arguments.pipeline, arguments.data, output, arguments.component)
    biases = ", ".join(f"{label} {bias:.3f}" for label, bias in zip(labels, found.label_biases))
    print(
        f"'{arguments.component}' has temperature {found.temperature:.3f} and the biases {biases}. "
        f"Saved in {output}."
    )


if __name__ == "__main__":
    main()
