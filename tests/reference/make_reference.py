"""Make the frozen arrays of this folder with torch; the tests then need NumPy alone.

    python tests/reference/make_reference.py            write the .npz files anew
    python tests/reference/make_reference.py --check    compute them again and compare with the files

Written with torch 2.13.0 (CPU) and numpy 2.4.6, both in float64. The parameters have the names and layouts of minisora
(a weight is ``(d_in, d_out)``, attention's projections are apart) and are rearranged for torch inside its graph: its
gradients come back in minisora's layout. Every upstream gradient is random: ones would hide softmax's backward.

A file holds cases, a case holds arrays: ``case/in/x``, ``case/mask/key_mask``, ``case/parameter/NAME``, ``case/out``,
``case/dout``, ``case/din/x``, ``case/grad/NAME``. What all cases of a file share is there once, as ``shared/...``.
Masks are True where a position may be attended, as everywhere here.
"""

import argparse
import math
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

FOLDER = Path(__file__).parent
B, T, S, D, H, D_FF = 3, 5, 7, 8, 2, 11  # pairwise different, d_k = 4 too
SOURCE_VOCAB, TARGET_VOCAB, PAD = 13, 17, 0
LAYERS, STEPS = 2, 10


# --- random parameters, in minisora's layout -------------------------------------------------------------------------


def linear(rng, d_in, d_out):
    return {"weight": rng.normal(0, d_in**-0.5, (d_in, d_out)), "bias": rng.normal(0, 0.5, d_out)}


def norm(rng):
    return {"gamma": rng.normal(1, 0.5, D), "beta": rng.normal(0, 0.5, D)}


def under(**groups):
    """Join parameter dicts into one with dotted names."""
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def attention(rng):
    return under(**{name: linear(rng, D, D) for name in ("w_q", "w_k", "w_v", "w_o")})


def feed_forward(rng):
    return under(w_1=linear(rng, D, D_FF), w_2=linear(rng, D_FF, D))


def encoder_layer(rng):
    return under(self_attention=attention(rng), feed_forward=feed_forward(rng), norm_1=norm(rng), norm_2=norm(rng))


def decoder_layer(rng):
    attentions = under(self_attention=attention(rng), cross_attention=attention(rng))
    norms = under(norm_1=norm(rng), norm_2=norm(rng), norm_3=norm(rng))
    return attentions | under(feed_forward=feed_forward(rng)) | norms


def model(tie, norm_order):
    """Parameters of a whole model; a tied table is there once, under the first of its names."""
    rng = np.random.default_rng(0)
    tables = {"encoder": rng.normal(0, 0.5, (SOURCE_VOCAB, D)), "decoder": rng.normal(0, 0.5, (TARGET_VOCAB, D))}
    parameters = {}
    for i in range(LAYERS):
        parameters |= under(**{f"encoder.stack.layers.{i}": encoder_layer(rng)})
        parameters |= under(**{f"decoder.stack.layers.{i}": decoder_layer(rng)})
    final_norms = {"encoder.stack.norm": norm(rng), "decoder.stack.norm": norm(rng)}
    projection = linear(rng, D, TARGET_VOCAB)
    if norm_order == "pre":
        parameters |= under(**final_norms)
    if tie == "none":
        parameters |= under(**{"decoder.projection": projection})
    if tie == "all":
        return parameters | {"encoder.embedded.embedding.table": tables["decoder"]}
    return parameters | {f"{side}.embedded.embedding.table": table for side, table in tables.items()}


# --- the same parameters, in torch's layout ---------------------------------------------------------------------------


def inside(parameters, prefix):
    """The parameters below `prefix`, with the prefix taken off."""
    return {name.removeprefix(prefix): p for name, p in parameters.items() if name.startswith(prefix)}


def torch_linear(p):
    return {"weight": p["weight"].T, "bias": p["bias"]}


def torch_norm(p):
    return {"weight": p["gamma"], "bias": p["beta"]}


def torch_attention(p):
    projections = ("w_q", "w_k", "w_v")
    return {
        "in_proj_weight": torch.cat([p[f"{name}.weight"].T for name in projections]),  # (3D, D)
        "in_proj_bias": torch.cat([p[f"{name}.bias"] for name in projections]),
        **under(out_proj=torch_linear(inside(p, "w_o."))),
    }


def torch_layer(p):
    """Parameters of an encoder or a decoder layer for nn.Transformer{En,De}coderLayer."""
    groups = {"self_attn": torch_attention(inside(p, "self_attention."))}
    if "cross_attention.w_q.weight" in p:
        groups["multihead_attn"] = torch_attention(inside(p, "cross_attention."))
    groups["linear1"] = torch_linear(inside(p, "feed_forward.w_1."))
    groups["linear2"] = torch_linear(inside(p, "feed_forward.w_2."))
    for i in (1, 2, 3):
        if f"norm_{i}.gamma" in p:
            groups[f"norm{i}"] = torch_norm(inside(p, f"norm_{i}."))
    return under(**groups)


def torch_stack(p):
    groups = {f"layers.{i}": torch_layer(inside(p, f"layers.{i}.")) for i in range(LAYERS)}
    if "norm.gamma" in p:
        groups["norm"] = torch_norm(inside(p, "norm."))
    return under(**groups)


def activation_of(name):
    return {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}[name]


def torch_module(kind, norm_order, activation):
    options = {"batch_first": True, "norm_first": norm_order == "pre", "dtype": torch.float64}
    return kind(D, H, D_FF, 0.0, activation_of(activation), **options)


def causal_mask(t, s):
    """(t, s), True = may be attended: query i sees key j <= i + (s - t), aligned at the bottom right."""
    return torch.ones(t, s, dtype=torch.bool).tril(s - t)


def positions(length, d_model, offset=0):
    """(length, d_model) of Vaswani et al. 2017, section 3.5, entry by entry in Python's own floats."""
    rows = [
        [(math.sin if i % 2 == 0 else math.cos)(t / 10000 ** ((i - i % 2) / d_model)) for i in range(d_model)]
        for t in range(offset, offset + length)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def torch_model(p, source_ids, decoder_ids, *, norm_order, activation):
    """Logits (B, T, V) of nn.TransformerEncoder and nn.TransformerDecoder between our embeddings and projection."""
    hidden = source_ids == PAD  # (B, S), torch's convention: True = hidden
    source_table = p["encoder.embedded.embedding.table"]
    target_table = p.get("decoder.embedded.embedding.table", source_table)
    encoder = torch_module(nn.TransformerEncoderLayer, norm_order, activation)
    decoder = torch_module(nn.TransformerDecoderLayer, norm_order, activation)
    final_norms = [nn.LayerNorm(D, dtype=torch.float64) if norm_order == "pre" else None for _ in range(2)]
    encoder = nn.TransformerEncoder(encoder, LAYERS, final_norms[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(decoder, LAYERS, final_norms[1])
    x = source_table[source_ids] * math.sqrt(D) + positions(source_ids.shape[1], D)
    memory = functional_call(encoder, torch_stack(inside(p, "encoder.stack.")), (x,), {"src_key_padding_mask": hidden})
    y = target_table[decoder_ids] * math.sqrt(D) + positions(decoder_ids.shape[1], D)
    future = ~causal_mask(decoder_ids.shape[1], decoder_ids.shape[1])
    masks = {"tgt_mask": future, "memory_key_padding_mask": hidden}
    y = functional_call(decoder, torch_stack(inside(p, "decoder.stack.")), (y, memory), masks)
    if "decoder.projection.weight" in p:
        return y @ p["decoder.projection.weight"] + p["decoder.projection.bias"]
    return y @ target_table.T


# --- one case: forward and backward of a function ---------------------------------------------------------------------


def leaves(arrays):
    return {name: torch.tensor(a, requires_grad=a.dtype == np.float64) for name, a in arrays.items()}


def record(f, rng, inputs, parameters=None, *, masks=None, visible=None):
    """Arrays of one case of ``f(parameters, **inputs, **masks)``.

    The upstream gradient is random, and 0 at the rows that `visible` hides: nobody reads what torch puts out there.
    """
    inputs, parameters, masks = leaves(inputs), leaves(parameters or {}), leaves(masks or {})
    out = f(parameters, **inputs, **masks)
    dout = torch.tensor(rng.normal(size=out.shape))
    if visible is not None:
        dout = dout * torch.tensor(visible)[..., None]
    out.backward(dout)
    arrays = {f"in/{name}": x for name, x in inputs.items()} | {f"mask/{name}": x for name, x in masks.items()}
    arrays |= {f"parameter/{name}": x for name, x in parameters.items()} | {"out": out, "dout": dout}
    arrays |= {f"din/{name}": x.grad for name, x in inputs.items() if x.requires_grad}
    arrays |= {f"grad/{name}": x.grad for name, x in parameters.items()}
    arrays = {name: x.detach().numpy() for name, x in arrays.items()}
    if not all(np.isfinite(x).all() for x in arrays.values()):
        raise ValueError("every reference array must be finite")
    return arrays


def cases(name):
    """Put the cases that a function yields into one dict, and give it a generator seeded by `name`."""

    def decorate(function):
        def make():
            return share(dict(function(np.random.default_rng(zlib.crc32(name.encode())))))

        FILES[name] = make
        return make

    return decorate


FILES = {}


def share(found):
    """One flat dict of all cases, with what is equal in every case moved to "shared"."""
    first, *others = found.values()
    common = {k for k in first if others and all(k in case and np.array_equal(first[k], case[k]) for case in others)}
    arrays = {f"{name}/{k}": array for name, case in found.items() for k, array in case.items() if k not in common}
    return {f"shared/{k}": first[k] for k in first if k in common} | arrays


def padding(length, lengths):
    """(B, length) bool, True = may be attended; padding at the end, as in a batch of sentences."""
    return np.arange(length) < np.array(lengths)[:, None]


# --- the files --------------------------------------------------------------------------------------------------------


@cases("linear")
def make_linear(rng):
    x, p = rng.normal(size=(B, T, S)), linear(rng, S, D_FF)
    yield "bias", record(lambda p, x: F.linear(x, p["weight"].T, p["bias"]), rng, {"x": x}, p)
    yield "no-bias", record(lambda p, x: F.linear(x, p["weight"].T), rng, {"x": x}, {"weight": p["weight"]})


@cases("embedding")
def make_embedding(rng):
    ids = rng.integers(0, SOURCE_VOCAB, (B, T))
    ids[0, :3] = 4  # repeated: their gradients add up
    table = {"table": rng.normal(size=(SOURCE_VOCAB, D))}
    yield "scaled", record(lambda p, ids: F.embedding(ids, p["table"]) * math.sqrt(D), rng, {"ids": ids}, table)
    x = rng.normal(size=(B, T, D))
    yield "sinusoidal", record(lambda _, x: x + positions(T, D), rng, {"x": x})
    yield "sinusoidal-offset", record(lambda _, x: x + positions(T, D, 41), rng, {"x": x})


@cases("normalization")
def make_normalization(rng):
    x = rng.normal(1, 3, (B, T, D))
    for eps in (1e-5, 1e-2):
        layer = lambda p, x, eps=eps: F.layer_norm(x, (D,), p["gamma"], p["beta"], eps)  # noqa: E731
        yield f"eps-{eps}", record(layer, rng, {"x": x}, norm(rng))


@cases("activation")
def make_activation(rng):
    x = np.concatenate([rng.normal(0, 2, (B, T, D_FF)), rng.normal(0, 8, (B, T, D_FF))], axis=-1)  # tails too
    for name in ("relu", "gelu", "gelu_tanh"):
        yield name, record(lambda _, x, name=name: activation_of(name)(x), rng, {"x": x})


@cases("attention")
def make_attention(rng):
    q, k, v = rng.normal(size=(B, H, T, 4)), rng.normal(size=(B, H, S, 4)), rng.normal(size=(B, H, S, 6))
    key_mask = padding(S, [7, 4, 6])

    def attend(_, q, k, v, key_mask=None, causal=False, scale=None):
        mask = causal_mask(q.shape[2], k.shape[2]) if causal else torch.ones(q.shape[2], k.shape[2], dtype=torch.bool)
        if key_mask is not None:
            mask = mask & key_mask[:, None, None, :]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)

    def case(masks=None, q=q, k=k, v=v, **options):
        f = lambda p, **arrays: attend(p, **arrays, **options)  # noqa: E731
        return record(f, rng, {"q": q, "k": k, "v": v}, masks=masks)

    yield "plain", case()
    yield "padding", case({"key_mask": key_mask})
    yield "scale", case(scale=0.7)
    yield "causal", case(causal=True)  # T < S: the first query sees S - T + 1 keys
    yield "causal-square", case(k=k[:, :, :T], v=v[:, :, :T], causal=True)
    yield "causal-padding", case({"key_mask": key_mask}, causal=True)  # the first key is visible in every row


@cases("multi_head_attention")
def make_multi_head_attention(rng):
    x, memory, p = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D)), attention(rng)
    module = nn.MultiheadAttention(D, H, batch_first=True, dtype=torch.float64)

    def attend(p, x, memory=None, key_mask=None, causal=False):
        memory = x if memory is None else memory
        masks = {"key_padding_mask": None if key_mask is None else ~key_mask, "need_weights": False}
        if causal:
            masks["attn_mask"] = ~causal_mask(x.shape[1], x.shape[1])
        return functional_call(module, torch_attention(p), (x, memory, memory), masks)[0]

    self_mask, memory_mask = {"key_mask": padding(T, [3, 5, 4])}, {"key_mask": padding(S, [7, 4, 6])}
    causal = lambda p, **arrays: attend(p, **arrays, causal=True)  # noqa: E731
    yield "self", record(attend, rng, {"x": x}, p)
    yield "self-padding", record(attend, rng, {"x": x}, p, masks=self_mask)
    yield "self-causal-padding", record(causal, rng, {"x": x}, p, masks=self_mask)
    yield "cross", record(attend, rng, {"x": x, "memory": memory}, p)
    yield "cross-padding", record(attend, rng, {"x": x, "memory": memory}, p, masks=memory_mask)


@cases("feed_forward")
def make_feed_forward(rng):
    x, p = {"x": rng.normal(size=(B, T, D))}, feed_forward(rng)
    for name in ("relu", "gelu", "gelu_tanh"):

        def run(p, x, name=name):
            return activation_of(name)(x @ p["w_1.weight"] + p["w_1.bias"]) @ p["w_2.weight"] + p["w_2.bias"]

        yield name, record(run, rng, x, p)


@cases("encoder_layer")
def make_encoder_layer(rng):
    x, p, visible = {"x": rng.normal(size=(B, S, D))}, encoder_layer(rng), padding(S, [7, 4, 6])
    for norm_order in ("pre", "post"):
        for activation in ("relu", "gelu"):
            module = torch_module(nn.TransformerEncoderLayer, norm_order, activation)

            def run(p, x, key_mask, module=module):
                return functional_call(module, torch_layer(p), (x,), {"src_key_padding_mask": ~key_mask})

            yield f"{norm_order}-{activation}", record(run, rng, x, p, masks={"key_mask": visible}, visible=visible)


GATES = {
    "rnn": [0],
    "gru": [0, 1, 2],
    "lstm": [0, 1, 3, 2],
}  # where torch's gates stand in ours: its LSTM has i, f, g, o
RECURRENCE = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}


def recurrent(rng, cell, d_in, d_h):
    width = len(GATES[cell]) * d_h
    p = under(w_x=linear(rng, d_in, width)) | {"u": rng.normal(0, d_h**-0.5, (d_h, width))}
    return p | {"c": rng.normal(0, 0.5, d_h)} if cell == "gru" else p


def recurrent_stack(rng, cell, layers):
    """Both directions, of half the width each."""
    ways = lambda: under(**{way: recurrent(rng, cell, D, D // 2) for way in ("left_to_right", "right_to_left")})  # noqa: E731
    return under(**{f"layers.{i}": ways() for i in range(layers)})


def torch_recurrent(p, cell):
    """The four arrays of one direction in torch's order; its second bias is ours in a GRU's candidate alone."""

    def rows(columns):
        parts = columns.transpose(0, -1).chunk(len(GATES[cell]))
        return torch.cat([parts[k] for k in GATES[cell]])

    c = torch.zeros_like(p["w_x.bias"])
    if cell == "gru":
        c = torch.cat([c[: -len(p["c"])], p["c"]])
    return [rows(p["w_x.weight"]), rows(p["u"]), rows(p["w_x.bias"]), c]


def read(p, x, key_mask=None, *, cell):
    """States (B, S, D) of the last of all layers, 0 at padding."""
    layers = sorted({name.split(".")[1] for name in p})
    ways = [inside(p, f"layers.{i}.{way}.") for i in layers for way in ("left_to_right", "right_to_left")]
    weights = [array for way in ways for array in torch_recurrent(way, cell)]
    zeros = torch.zeros(2 * len(layers), len(x), D // 2, dtype=torch.float64)
    start = (zeros, zeros) if cell == "lstm" else zeros
    options = weights, True, len(layers), 0.0, False, True
    if key_mask is None:
        return RECURRENCE[cell](x, start, *options, True)[0]
    packed = nn.utils.rnn.pack_padded_sequence(x, key_mask.sum(1), batch_first=True)  # lengths fall: the order stays
    out = RECURRENCE[cell](packed.data, packed.batch_sizes, start, *options)[0]
    packed = nn.utils.rnn.PackedSequence(out, packed.batch_sizes)
    return nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0]


@cases("recurrent")
def make_recurrent(rng):
    x, masks = {"x": rng.normal(size=(B, S, D))}, {"key_mask": padding(S, [7, 6, 4])}
    for cell in GATES:
        p, run = recurrent_stack(rng, cell, LAYERS), partial(read, cell=cell)
        yield cell, record(run, rng, x, p)
        yield f"{cell}-padding", record(run, rng, x, p, masks=masks)


@cases("decoder_layer")
def make_decoder_layer(rng):
    masks = {"key_mask": padding(T, [5, 3, 4]), "memory_mask": padding(S, [6, 7, 4])}
    inputs, p = {"x": rng.normal(size=(B, T, D)), "memory": rng.normal(size=(B, S, D))}, decoder_layer(rng)
    for norm_order in ("pre", "post"):
        for activation in ("relu", "gelu"):
            module = torch_module(nn.TransformerDecoderLayer, norm_order, activation)

            def run(p, x, memory, key_mask, memory_mask, module=module):
                hide = {"tgt_key_padding_mask": ~key_mask, "memory_key_padding_mask": ~memory_mask}
                return functional_call(module, torch_layer(p), (x, memory), {"tgt_mask": ~causal_mask(T, T), **hide})

            yield f"{norm_order}-{activation}", record(run, rng, inputs, p, masks=masks, visible=masks["key_mask"])


def sentences(rng, vocab_size, length, lengths):
    """Ids (B, length) that are padded at the end and nowhere else."""
    return np.where(padding(length, lengths), rng.integers(3, vocab_size, (B, length)), PAD)


MODELS = [("pre", "gelu", "none"), ("post", "relu", "none"), ("pre", "relu", "output"), ("post", "gelu_tanh", "all")]


@cases("model")
def make_model(rng):
    for norm_order, activation, tie in MODELS:
        source_vocab = TARGET_VOCAB if tie == "all" else SOURCE_VOCAB
        source, target = sentences(rng, source_vocab, S, [7, 4, 6]), sentences(rng, TARGET_VOCAB, T, [3, 5, 4])
        run = partial(torch_model, norm_order=norm_order, activation=activation)
        ids = {"source_ids": source, "decoder_ids": target}
        yield f"{norm_order}-{activation}-{tie}", record(run, rng, ids, model(tie, norm_order), visible=target != PAD)


@cases("loss")
def make_loss(rng):
    logits, targets = rng.normal(0, 3, (B, T, TARGET_VOCAB)), sentences(rng, TARGET_VOCAB, T, [3, 5, 4])
    for smoothing in (0.0, 0.1):

        def run(_, logits, targets, smoothing=smoothing):
            flat = logits.reshape(-1, TARGET_VOCAB), targets.reshape(-1)
            return F.cross_entropy(*flat, ignore_index=PAD, reduction="sum", label_smoothing=smoothing)

        yield f"smoothing-{smoothing}", record(run, rng, {"logits": logits, "targets": targets})


@cases("optimizer")
def make_optimizer(rng):
    """Ten full-batch steps from the parameters of the model "pre-relu-output": the loss before every step."""
    start = model("output", "pre")
    batch = leaves({
        "source_ids": sentences(rng, SOURCE_VOCAB, S, [7, 4, 6]),
        "decoder_ids": sentences(rng, TARGET_VOCAB, T, [3, 5, 4]),
        "targets": sentences(rng, TARGET_VOCAB, T, [3, 5, 4]),
    })  # fmt: skip
    ids = {f"in/{name}": x.numpy() for name, x in batch.items()}
    makers = {
        "adam": lambda p: torch.optim.Adam(p.values(), lr=0.01, betas=(0.9, 0.98), eps=1e-9),
        "adamw": decoupled_adam,
        "sgd": lambda p: torch.optim.SGD(p.values(), lr=0.02, momentum=0.9),
    }
    for name, make in makers.items():
        yield name, ids | {"losses": train(start, batch, make)}


def decoupled_adam(p):
    """AdamW that spares norms, biases and embeddings, as minisora's ``Parameter.decay`` does."""
    decays = {True: [], False: []}
    for name, parameter in p.items():
        decays[name.endswith(".weight")].append(parameter)
    groups = [{"params": decays[True], "weight_decay": 0.1}, {"params": decays[False], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-9)


def train(start, batch, make):
    p = leaves(start)
    optimizer, losses = make(p), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = torch_model(p, batch["source_ids"], batch["decoder_ids"], norm_order="pre", activation="relu")
        flat = logits.reshape(-1, TARGET_VOCAB), batch["targets"].reshape(-1)
        loss = F.cross_entropy(*flat, ignore_index=PAD, label_smoothing=0.1)  # the mean over the real targets
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def check(name, arrays):
    """Largest difference from the frozen file; a missing or an extra array is an error."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as frozen:
        if set(frozen) != set(arrays):
            raise ValueError(f"{name}.npz holds other arrays than this script makes")
        return max(float(np.abs(frozen[key].astype(float) - array).max()) for key, array in arrays.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the frozen files and write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, numpy {np.__version__}, python {sys.version.split()[0]}")
    for name, make in FILES.items():
        arrays = make()
        if options.check:
            print(f"{name:<22} largest difference {check(name, arrays):.1e}")
            continue
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, allow_pickle=False, **arrays)
        print(f"{name:<22} {len(arrays):>5} arrays {path.stat().st_size:>8} bytes")


if __name__ == "__main__":
    main()
