"""A transformer that is made here, without a network."""

from tests.helpers import TRAIN_DATA


def make_tiny_bert(folder):
    """A folder with a BERT of random weights, and word pieces of single characters."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    characters = sorted({char for text, _ in TRAIN_DATA for char in text.lower() if char != " "})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += characters + [f"##{char}" for char in characters]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(pieces), num_hidden_layers=1, **sizes)
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder
