"""Greedy decoding of a Sora model in PyTorch eager: the opponent of ``minisora bench generation``.

The same weights and the same work a step as minisora's: keys and values of the past in arrays made before, those of the
memory computed once. Self-attention's three projections are one product, as in ``torch.nn.MultiheadAttention``.
"""

import math


def make_greedy(model, device):
    """Return a function (source ids (B, S), number of tokens) -> ids (B, number), without an end of sequence.

    Parameters
    ----------
    model : SoraModel
        Pre-norm, ReLU, sinusoidal positions, its own projection; on the host.
    device : str
        Where torch computes.
    """
    import torch

    from minisora.layers.positional import sinusoidal_table

    config = model.config
    weights = {name: torch.from_numpy(parameter.data).to(device) for name, parameter in model.parameters()}
    table = sinusoidal_table(config.max_len, config.d_model).astype("float32")
    run = _Transformer(config, weights, torch.from_numpy(table).to(device))

    def greedy(source_ids, tokens):
        with torch.inference_mode():
            return run.greedy(torch.from_numpy(source_ids).to(device), tokens).cpu().numpy()

    return greedy


class _Transformer:
    """The formulas of `minisora.model.SoraModel` in torch, on one set of weights by name."""

    def __init__(self, config, weights, positions):
        import torch

        self.torch, self.functional = torch, torch.nn.functional
        self.config, self.weights, self.positions = config, weights, positions
        for name in [name for name in weights if name.endswith("self_attention.w_q.weight")]:
            for kind in ("weight", "bias"):
                parts = [weights[name.replace("w_q.weight", f"w_{part}.{kind}")] for part in "qkv"]
                weights[name.replace("w_q.weight", f"w_qkv.{kind}")] = torch.cat(parts, dim=-1)
        for name in [name for name in weights if name.endswith(".weight")]:
            weights[name] = weights[name].T.contiguous()  # (out, in), as torch's Linear keeps it

    def greedy(self, source, tokens):
        """ids (B, tokens): at every step the most probable token."""
        torch, batch = self.torch, len(source)
        memory = self.encode(source)
        layers = [self.remember(i, memory, tokens) for i in range(self.config.num_decoder_layers)]
        ids = torch.full((batch,), self.config.bos_id, device=source.device)
        out = torch.empty((batch, tokens), dtype=torch.long, device=source.device)
        for step in range(tokens):
            ids = self.step(ids, step, layers).argmax(dim=-1)
            out[:, step] = ids
        return out

    def encode(self, source):
        """Memory (B, S, D)."""
        x = self.embed("encoder", source, 0)
        for i in range(self.config.num_encoder_layers):
            here = f"encoder.stack.layers.{i}"
            q, k, v = self.linear(f"{here}.self_attention.w_qkv", self.norm(f"{here}.norm_1", x)).chunk(3, dim=-1)
            x = x + self.attend(f"{here}.self_attention", *map(self.split, (q, k, v)))
            x = x + self.feed_forward(here, self.norm(f"{here}.norm_2", x))
        return self.norm("encoder.stack.norm", x)

    def remember(self, number, memory, tokens):
        """Of one decoder layer: memory's keys and values, and room for those of the past."""
        here = f"decoder.stack.layers.{number}.cross_attention"
        k, v = (self.split(self.linear(f"{here}.w_{kind}", memory)) for kind in "kv")
        shape = len(memory), self.config.num_heads, tokens, self.config.d_model // self.config.num_heads
        return k, v, *(self.torch.empty(shape, device=memory.device) for _ in range(2))

    def step(self, ids, number, layers):
        """Logits (B, V) after the ids (B,), at position ``number``."""
        x = self.embed("decoder", ids[:, None], number)  # (B, 1, D)
        for i, (memory_k, memory_v, past_k, past_v) in enumerate(layers):
            here = f"decoder.stack.layers.{i}"
            q, k, v = self.linear(f"{here}.self_attention.w_qkv", self.norm(f"{here}.norm_1", x)).chunk(3, dim=-1)
            past_k[:, :, number], past_v[:, :, number] = self.split(k)[:, :, 0], self.split(v)[:, :, 0]
            seen = slice(0, number + 1)
            x = x + self.attend(f"{here}.self_attention", self.split(q), past_k[:, :, seen], past_v[:, :, seen])
            q = self.split(self.linear(f"{here}.cross_attention.w_q", self.norm(f"{here}.norm_2", x)))
            x = x + self.attend(f"{here}.cross_attention", q, memory_k, memory_v)
            x = x + self.feed_forward(here, self.norm(f"{here}.norm_3", x))
        return self.linear("decoder.projection", self.norm("decoder.stack.norm", x))[:, 0]

    def attend(self, here, q, k, v):
        """(B, H, T, d_k) each, to (B, T, D)."""
        heads = self.functional.scaled_dot_product_attention(q, k, v)
        return self.linear(f"{here}.w_o", heads.transpose(1, 2).flatten(2))

    def embed(self, side, ids, offset):
        vectors = self.weights[f"{side}.embedded.embedding.table"][ids] * math.sqrt(self.config.d_model)
        return vectors + self.positions[offset : offset + ids.shape[1]]

    def feed_forward(self, here, x):
        hidden = self.functional.relu(self.linear(f"{here}.feed_forward.w_1", x))
        return self.linear(f"{here}.feed_forward.w_2", hidden)

    def linear(self, name, x):
        return self.functional.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, name, x):
        gamma, beta = self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"]
        return self.functional.layer_norm(x, gamma.shape, gamma, beta, self.config.norm_eps)

    def split(self, x):
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)
