"""The card of a model on the hub: what it is, and the lines that load it."""

TEXT = """---
library_name: minisora
tags:
- minisora
---

# {name}

An encoder-decoder model for text, made with minisora: a Transformer in NumPy with every gradient written by hand.

| | |
| --- | --- |
{rows}

```python
from minisora import SoraModel, SoraTokenizer, answer

model = SoraModel.from_pretrained("hub:{name}")
source = SoraTokenizer.from_pretrained("hub:{name}")
target = SoraTokenizer.from_pretrained("hub:{name}", target=True)
print(answer(model, source, target, ["..."]))
```

Config and tokenizers are in the header of `model.safetensors`; the JSON files are copies. What the model was trained
on, what it can do and what it cannot: nobody has written that down yet.
"""


def model_card(model, name):
    """The text of a README.md, with the shape of the model.

    Parameters
    ----------
    model : SoraModel
    name : str
        ``owner/name`` on the hub.
    """
    config = model.config
    encoder = config.encoder if config.encoder == "transformer" else f"recurrent ({config.cell})"
    rows = {
        "encoder": f"{encoder}, {config.num_encoder_layers} layers",
        "decoder": f"transformer, {config.num_decoder_layers} layers" + (", copies from the source" * config.copy),
        "width": f"d_model {config.d_model}, {config.num_heads} heads, d_ff {config.d_ff}",
        "vocabulary": f"{config.source_vocab_size:,} source tokens, {config.target_vocab_size:,} target tokens",
        "parameters": f"{model.num_parameters():,}",
        "longest text": f"{config.max_len} tokens",
    }
    if own := getattr(model, "replaced", ()):
        rows["layers of its own"] = ", ".join(own)
    return TEXT.format(name=name, rows="\n".join(f"| {what} | {value} |" for what, value in rows.items()))
