"""The names and shapes of the arrays that a config implies, told without building the model.

So a file is held against its config before anything is allocated: a config that promises more layers than the file has
arrays is refused at the first that is missing, however many it promises.
"""

GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def implied_arrays(config, own=()):
    """Yield (name, shape) for every parameter of a model.

    Parameters
    ----------
    config : SoraConfig
    own : sequence of str
        Kinds of layers that are not the standard ones ("attention", "feed_forward", "norm"): nothing is known of
        theirs.
    """
    parts = _Parts(config.d_model, config.d_ff, own)
    encoder = _recurrent_encoder if config.encoder == "rnn" else _transformer_encoder
    yield from _embedded("encoder.embedded", config, config.source_vocab_size)
    yield from encoder("encoder.stack", config, parts)
    yield from _embedded("decoder.embedded", config, None if config.tie == "all" else config.target_vocab_size)
    yield from _decoder("decoder.stack", config, parts)
    if config.tie == "none":
        yield from _linear("decoder.projection", config.d_model, config.target_vocab_size)
    if config.copy:
        for name in ("w_q", "w_k"):
            yield f"decoder.copy.{name}.weight", (config.d_model, config.d_model)


class _Parts:
    """What encoder and decoder layers are made of; nothing in the place of a kind that is not standard."""

    def __init__(self, d_model, d_ff, own):
        self.d_model, self.d_ff, self.own = d_model, d_ff, own

    def attention(self, name):
        if "attention" not in self.own:
            for part in ("w_q", "w_k", "w_v", "w_o"):
                yield from _linear(f"{name}.{part}", self.d_model, self.d_model)

    def feed_forward(self, name):
        if "feed_forward" not in self.own:
            yield from _linear(f"{name}.w_1", self.d_model, self.d_ff)
            yield from _linear(f"{name}.w_2", self.d_ff, self.d_model)

    def norm(self, name):
        if "norm" not in self.own:
            yield f"{name}.gamma", (self.d_model,)
            yield f"{name}.beta", (self.d_model,)


def _linear(name, d_in, d_out):
    yield f"{name}.weight", (d_in, d_out)
    yield f"{name}.bias", (d_out,)


def _embedded(name, config, vocab_size):
    """None: the table is another's."""
    if vocab_size is not None:
        yield f"{name}.embedding.table", (vocab_size, config.d_model)
    if config.positions == "learned":
        yield f"{name}.positions.table", (config.max_len, config.d_model)


def _transformer_encoder(name, config, parts):
    for number in range(config.num_encoder_layers):
        layer = f"{name}.layers.{number}"
        yield from parts.attention(f"{layer}.self_attention")
        yield from parts.feed_forward(f"{layer}.feed_forward")
        for norm in ("norm_1", "norm_2"):
            yield from parts.norm(f"{layer}.{norm}")
    if config.norm == "pre":
        yield from parts.norm(f"{name}.norm")


def _recurrent_encoder(name, config, parts):
    for number in range(config.num_encoder_layers):
        layer = f"{name}.recurrent.layers.{number}"
        if config.bidirectional:
            for direction in ("left_to_right", "right_to_left"):
                yield from _recurrent(f"{layer}.{direction}", config, config.d_model // 2)
        else:
            yield from _recurrent(layer, config, config.d_model)
    if config.norm == "pre":
        yield from parts.norm(f"{name}.top.norm_1")
    yield from parts.attention(f"{name}.top.self_attention")
    yield from parts.norm(f"{name}.norm")


def _recurrent(name, config, width):
    gates = GATES[config.cell]
    yield from _linear(f"{name}.w_x", config.d_model, gates * width)
    yield f"{name}.u", (width, gates * width)
    if config.cell == "gru":  # whose reset gate stands inside, beside a bias of its own
        yield f"{name}.c", (width,)


def _decoder(name, config, parts):
    for number in range(config.num_decoder_layers):
        layer = f"{name}.layers.{number}"
        for attention in ("self_attention", "cross_attention"):
            yield from parts.attention(f"{layer}.{attention}")
        yield from parts.feed_forward(f"{layer}.feed_forward")
        for norm in ("norm_1", "norm_2", "norm_3"):
            yield from parts.norm(f"{layer}.{norm}")
    if config.norm == "pre":
        yield from parts.norm(f"{name}.norm")
