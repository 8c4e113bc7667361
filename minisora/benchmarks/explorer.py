"""``minisora bench explorer``: how large the explorer's page is, by the lengths of question and answer.

The texts are questions and answers of the corpus, joined and cut to length; the model reads the one and is told to say
the other, so a page has as many weights and gradients as its lengths allow, whatever the model would have said.
"""

import click

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.commands.chat import model_name

LENGTHS, SMOKE = (16, 64, 128), (5,)


@click.command()
@click.option("--model", "name", help="A bundled model or the folder of one.", show_default=True, **model_name)
@record_options
def command(name, smoke, as_json, out):
    """Bytes of the page with T tokens read and T written, with and without gradients."""
    from minisora.checkpoint import load

    pretrained = load(name)
    rows = [measure(pretrained, length) for length in (SMOKE if smoke else LENGTHS)]
    config = pretrained.model.config
    shape = {"layers": [config.num_encoder_layers, config.num_decoder_layers], "heads": config.num_heads}
    publish(make_record(machine(), rows, model=name, **shape, smoke=smoke), table(rows, shape), as_json, out)


def measure(pretrained, length):
    """The page of T tokens read and T written, the end token among them."""
    from minisora.corpus import test_set
    from minisora.plotting.explorer import attention_explorer

    model, tokenizer, target_tokenizer = pretrained
    examples = test_set("iid", length)
    text = cut(tokenizer, "".join(one.source for one in examples), length)
    answer = cut(target_tokenizer, "".join(one.target for one in examples), length - 1)
    options = {"target_tokenizer": target_tokenizer, "answer": answer}
    whole = attention_explorer(model, tokenizer, text, **options)
    bare = attention_explorer(model, tokenizer, text, **options, gradients=False)
    return {
        "case": f"T = {length}",
        "read": len(whole.content["source"]["tokens"]),
        "written": len(whole.content["target"]["written"]),
        "bits": whole.content["bits"],
        "tokens_with_gradients": len(whole.content["gradients"]) - 1,
        "bytes": len(whole.html.encode("utf-8")),
        "bytes_without_gradients": len(bare.html.encode("utf-8")),
    }


def cut(tokenizer, text, length):
    """The beginning of a text that has so many tokens."""
    return tokenizer.decode(tokenizer.encode(text)[:length])


def table(rows, shape):
    """The rows for people."""
    cells = [("page", "MB", "without gradients", "bits", "tokens with gradients")]
    for row in rows:
        sizes = (f"{row[name] / 1e6:.2f}" for name in ("bytes", "bytes_without_gradients"))
        cells.append((row["case"], *sizes, str(row["bits"]), f"{row['tokens_with_gradients']} of {row['written']}"))
    encoder, decoder = shape["layers"]
    return f"{encoder} + {decoder} layers, {shape['heads']} heads\n\n{lay_out(cells)}"
