"""The data flow of a model as a Mermaid flowchart; every shape in it is read from the cache of a real forward pass."""

from contextlib import contextmanager


def flowchart(model, source_ids, decoder_ids):
    """Run the model forward and draw what it did.

    Parameters
    ----------
    model : SoraModel
        With the standard layers, whose caches are known.
    source_ids, decoder_ids : int arrays (B, S), (B, T)

    Returns
    -------
    str
        Text in the language of Mermaid, version 10 or newer.
    """
    logits, cache = model.forward(source_ids, decoder_ids)
    chart = Chart(pre_norm=model.config.norm == "pre")
    draw = draw_recurrent_encoder if model.config.encoder == "rnn" else draw_encoder
    memory = draw(chart, source_ids, cache.encoder.stack)
    out = draw_decoder(chart, decoder_ids, cache.decoder.stack, memory)
    last = chart.node("logits", "projection to logits", logits)
    chart.edge(out, last)
    if cache.decoder.copy is not None:
        copied = chart.node("copied", "logits, and copies of the source's tokens", logits)
        for node in (last, out, memory, "source"):
            chart.edge(node, copied)
    return "\n".join(chart.lines)


def draw_encoder(chart, ids, stack):
    """Draw source ids, their vectors, and one encoder layer; return the node of the memory."""
    layer = stack.layers[0]
    x = layer.self_attention.w_q.x  # (B, S, D)
    vectors = chart.node("source_vectors", "embedding + positions", x)
    chart.edge(chart.node("source", "source ids", ids), vectors)
    with chart.group("encoder", f"encoder layer ({len(stack.layers)} of them)"):
        out = chart.residual(vectors, "e_1", "norm_1", x, draw_attention(chart, "e_self", layer.self_attention))
        out = chart.residual(out, "e_2", "norm_2", x, draw_feed_forward(chart, "e_ff", layer.feed_forward))
    memory = chart.node("memory", "final norm: memory" if chart.pre_norm else "memory", x)
    chart.edge(out, memory)
    return memory


def draw_recurrent_encoder(chart, ids, stack):
    """Draw source ids, their vectors, one recurrent layer, and the attention on top; return the node of the memory."""
    x = stack.top.self_attention.w_q.x  # (B, S, D)
    vectors = chart.node("source_vectors", "embedding + positions", x)
    chart.edge(chart.node("source", "source ids", ids), vectors)
    first = stack.recurrent.layers[0]
    ways = first._asdict() if hasattr(first, "left_to_right") else {"left_to_right": first}
    with chart.group("recurrent", f"recurrent layer ({len(stack.recurrent.layers)} of them)"):
        states = chart.node("e_states", "states side by side" if len(ways) > 1 else "states", x)
        for name, cache in ways.items():
            chart.edge(draw_direction(chart, f"e_{name}", name.replace("_", " "), cache, vectors), states)
    with chart.group("encoder", "attention on top"):
        attention = draw_attention(chart, "e_self", stack.top.self_attention)
        out = chart.residual(states, "e_1", "norm_1" if chart.pre_norm else "norm", x, attention)
    memory = chart.node("memory", "final norm: memory" if chart.pre_norm else "memory", x)
    chart.edge(out, memory)
    return memory


def draw_direction(chart, name, title, cache, before):
    """Draw one direction of a recurrent layer, whose state goes round from time step to time step; return its box."""
    step = cache.steps[0]
    kind = type(step).__name__.removesuffix("Step")
    state = chart.node(name, f"{kind} {title}: the state of a time step", step.h)
    chart.edge(before, state)
    chart.edge(state, state)
    return state


def draw_decoder(chart, ids, stack, memory):
    """Draw target ids, their vectors, and one decoder layer; return the node of the last vectors."""
    layer = stack.layers[0]
    x = layer.self_attention.w_q.x  # (B, T, D)
    vectors = chart.node("target_vectors", "embedding + positions", x)
    chart.edge(chart.node("target", "target ids, from bos", ids), vectors)
    with chart.group("decoder", f"decoder layer ({len(stack.layers)} of them)"):
        out = chart.residual(vectors, "d_1", "norm_1", x, draw_attention(chart, "d_self", layer.self_attention))
        cross = draw_attention(chart, "d_cross", layer.cross_attention, memory=memory)
        out = chart.residual(out, "d_2", "norm_2", x, cross)
        out = chart.residual(out, "d_3", "norm_3", x, draw_feed_forward(chart, "d_ff", layer.feed_forward))
    if not chart.pre_norm:
        return out
    norm = chart.node("final_norm", "final norm", x)
    chart.edge(out, norm)
    return norm


def draw_attention(chart, name, cache, memory=None):
    """Draw one multi-head attention, over memory if there is one; return its entrances and its exit."""
    attention = cache.attention
    queries = chart.node(f"{name}_q", "queries", attention.q)
    keys = chart.node(f"{name}_k", "keys", attention.k)
    values = chart.node(f"{name}_v", "values", attention.v)
    kind = "cross-attention" if memory else ("causal self-attention" if attention.causal else "self-attention")
    weights = chart.node(f"{name}_weights", f"{kind}: weights", cache.weights)
    heads = chart.node(f"{name}_heads", "weights · values", attention.out)
    out = chart.node(f"{name}_out", "heads side by side · W_o", cache.w_o.x)
    for before, after in ((queries, weights), (keys, weights), (weights, heads), (values, heads), (heads, out)):
        chart.edge(before, after)
    if memory is None:
        return [queries, keys, values], out
    chart.edge(memory, keys)
    chart.edge(memory, values)
    return [queries], out


def draw_feed_forward(chart, name, cache):
    """Draw one feed-forward layer; return its entrance and its exit."""
    hidden = chart.node(f"{name}_hidden", "feed-forward: activation(x · W_1)", cache.w_2.x)
    out = chart.node(f"{name}_out", "hidden · W_2", cache.w_1.x)  # back at the shape that came in
    chart.edge(hidden, out)
    return [hidden], out


class Chart:
    """The lines of a flowchart under construction."""

    def __init__(self, *, pre_norm):
        self.pre_norm = pre_norm
        self.lines = ["flowchart TD"]

    def node(self, name, label, array):
        """Add a box with a label and the array's shape; return its name."""
        self.lines.append(f'    {name}["{label}<br/>{tuple(array.shape)}"]')
        return name

    def edge(self, before, after):
        """Add an arrow between two boxes."""
        self.lines.append(f"    {before} --> {after}")

    @contextmanager
    def group(self, name, title):
        """Draw a frame around the boxes that are added inside the block."""
        self.lines.append(f'    subgraph {name}["{title}"]')
        yield
        self.lines.append("    end")

    def residual(self, before, name, norm_label, x, sublayer):
        """Add the sum of a sub-layer's input and output, with the norm where this model has it; return the last box."""
        entrances, leave = sublayer
        norm = self.node(f"{name}_norm", norm_label, x)
        total = self.node(f"{name}_sum", "+", x)
        self.edge(before, total)
        self.edge(leave, total)
        if self.pre_norm:
            self.edge(before, norm)
        else:
            self.edge(total, norm)
        for entrance in entrances:
            self.edge(norm if self.pre_norm else before, entrance)
        return total if self.pre_norm else norm
