"""The PyTorch side of ``minisora bench multi30k``: the same model, from the same weights, on the same batches.

Learned positions, Adam, the gradient clipped: ``nn.TransformerEncoder`` and ``nn.TransformerDecoder``, post-norm,
between embeddings and a projection, in eager mode.
"""

import json
import math
import time

from minisora.training.batching import Position, batches_by_length

STATE = "state.safetensors"
BEST = "best.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of torch.optim.Adam, by parameter


class TorchSide:
    """A training in torch, epoch by epoch, kept in a folder.

    Parameters
    ----------
    sora : SoraModel
        Whose weights it begins with.
    batches : minisora.training.batching.Batches
    dev : list of (str, str)
    tokenizers : sequence of two SoraTokenizer
    config : TrainingConfig
        Learning rate, clipping and seed count.
    folder : path
    epoch_steps : int
        Batches of an epoch.
    threads : int
    """

    def __init__(self, sora, batches, dev, tokenizers, config, folder, *, epoch_steps, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.epoch_steps, self.folder = torch, epoch_steps, folder
        self.config, self.batches, self.dev, self.tokenizers = config, batches, dev, tokenizers
        self.model = make_model(sora)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.config.learning_rate)
        self.epochs = []  # of each its seconds, target tokens and loss on dev
        self.folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).is_file():
            self.load()

    def train_epoch(self):
        """One epoch, its seconds without the evaluation; then save."""
        number = len(self.epochs)
        self.torch.manual_seed(1000 * self.config.seed + number)  # of dropout: a resumed training draws alike
        begin = time.perf_counter()
        tokens = self.train_steps(number * self.epoch_steps, self.epoch_steps)
        seconds = time.perf_counter() - begin
        record = {"seconds": round(seconds, 3), "target_tokens": tokens, "dev_loss": self.dev_loss()}
        if all(record["dev_loss"] < one["dev_loss"] for one in self.epochs):
            self.save(BEST, self.model.state_dict())
        self.epochs.append(record)
        self.save(STATE, self.state())

    def train_steps(self, first, count):
        """So many updates from batch number ``first`` on; return their target tokens."""
        self.model.train()
        batches = (self.batches.at(Position(first + i, 0))[0] for i in range(count))  # one in each chunk
        return sum(self.step(*map(self.torch.from_numpy, batch)) for batch in batches)

    def step(self, source, decoder_ids, targets):
        """One update; return its target tokens."""
        torch, pad = self.torch, self.model.pad_id
        self.optimizer.zero_grad()
        logits = self.model(source, decoder_ids)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        return int((targets != pad).sum())

    def dev_loss(self):
        """Nats per target token of the dev pairs."""
        torch, total, count = self.torch, 0.0, 0
        self.model.eval()
        with torch.inference_mode():
            for batch in batches_by_length(self.dev, *self.tokenizers, 8192):
                source, decoder_ids, targets = map(torch.from_numpy, batch)
                logits, pad = self.model(source, decoder_ids).flatten(0, 1), self.model.pad_id
                total += torch.nn.functional.cross_entropy(
                    logits, targets.flatten(), ignore_index=pad, reduction="sum"
                ).item()
                count += int((targets != pad).sum())
        return total / count

    def translations(self, texts, max_len):
        """Of the weights with the lowest loss on dev, and of the last ones, which the model holds afterwards."""
        from safetensors.torch import load_file

        last = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        found = {}
        for which, weights in (("lowest loss", load_file(self.folder / BEST)), ("last epoch", last)):
            self.model.load_state_dict(weights)
            found[which] = self.translate(texts, max_len)
        return found

    def translate(self, texts, max_len, batch=100):
        """Translate by greedy decoding."""
        (german, english), out = self.tokenizers, [None] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i].split()))
        self.model.eval()
        for first in range(0, len(order), batch):
            places = order[first : first + batch]
            ids, _ = german.pad([german.encode(texts[i]) for i in places])
            for i, row in zip(places, self.greedy(self.torch.from_numpy(ids), max_len), strict=True):
                out[i] = english.decode(row, skip_special_tokens=False)
        return out

    def greedy(self, source, max_len):
        """Ids of each row up to its end. The decoder reads all tokens again for each: nobody measures the time here."""
        torch, bos_id, eos_id = self.torch, self.tokenizers[1].bos_id, self.tokenizers[1].eos_id
        with torch.inference_mode():
            memory, hidden = self.model.encode(source)
            ids = torch.full((len(source), 1), bos_id)
            ended = torch.zeros(len(source), dtype=torch.bool)
            while ids.shape[1] <= max_len and not ended.all():
                newest = self.model.decode(ids, memory, hidden)[:, -1].argmax(dim=-1)
                ids = torch.cat([ids, newest[:, None]], dim=1)
                ended |= newest == eos_id
        rows = [row[1:] for row in ids.tolist()]
        return [row[: row.index(eos_id)] if eos_id in row else row for row in rows]

    def state(self):
        """Model and optimizer as tensors by name."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": moments[name] for name in MOMENTS}
        return tensors

    def save(self, name, tensors):
        """Write tensors, and what is known of the epochs, to a file, whole."""
        from safetensors.torch import save

        from minisora.files import replace_file

        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        replace_file(self.folder / name, save(tensors, {"epochs": json.dumps(self.epochs)}))

    def load(self):
        """Go on from where `save` left it."""
        from safetensors import safe_open

        with safe_open(self.folder / STATE, "pt") as file:
            self.epochs = json.loads(file.metadata()["epochs"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
        model = {name.removeprefix("model."): one for name, one in tensors.items() if name.startswith("model.")}
        self.model.load_state_dict(model)
        description, moments = self.optimizer.state_dict(), {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, kind = name.split(".")
                moments.setdefault(int(number), {})[kind] = tensor
        self.optimizer.load_state_dict(description | {"state": moments})


def make_model(sora):
    """The model in torch, with the weights of a SoraModel, post-norm with learned positions."""
    import torch
    from torch import nn

    config = sora.config
    weights = {name: torch.from_numpy(parameter.data.copy()) for name, parameter in sora.parameters()}

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad_id, d_model = config.pad_id, config.d_model
            self.source, self.target = (
                nn.Embedding.from_pretrained(weights[f"{side}.embedded.embedding.table"], freeze=False)
                for side in ("encoder", "decoder")
            )
            self.source_positions, self.target_positions = (
                nn.Embedding.from_pretrained(weights[f"{side}.embedded.positions.table"], freeze=False)
                for side in ("encoder", "decoder")
            )
            options = {"dim_feedforward": config.d_ff, "dropout": config.dropout, "layer_norm_eps": config.norm_eps}
            options |= {"d_model": d_model, "nhead": config.num_heads, "batch_first": True}
            self.dropout = nn.Dropout(config.dropout)
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(**options), config.num_encoder_layers, enable_nested_tensor=False
            )
            self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), config.num_decoder_layers)
            self.projection = nn.Linear(d_model, config.target_vocab_size)

        def embed(self, ids, table, positions):
            placed = positions(torch.arange(ids.shape[1], device=ids.device))
            return self.dropout(table(ids) * math.sqrt(config.d_model) + placed)

        def encode(self, source):
            hidden = source == self.pad_id
            x = self.embed(source, self.source, self.source_positions)
            return self.encoder(x, src_key_padding_mask=hidden), hidden

        def decode(self, ids, memory, hidden):
            later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).triu(1)
            x = self.embed(ids, self.target, self.target_positions)
            masks = {"tgt_mask": later, "tgt_is_causal": True, "memory_key_padding_mask": hidden}
            return self.projection(self.decoder(x, memory, **masks))

        def forward(self, source, ids):
            return self.decode(ids, *self.encode(source))

    model = Model()
    take_weights(model, weights)
    return model


def take_weights(model, weights):
    """Copy the layers' weights, which torch keeps as (out, in), the three projections of attention in one."""
    import torch

    def linear(theirs, name):
        theirs.weight.copy_(weights[f"{name}.weight"].T)
        theirs.bias.copy_(weights[f"{name}.bias"])

    def attention(theirs, name):
        for kind in ("weight", "bias"):
            parts = [weights[f"{name}.w_{part}.{kind}"] for part in "qkv"]
            getattr(theirs, f"in_proj_{kind}").copy_(torch.cat([part.T if part.ndim == 2 else part for part in parts]))
        linear(theirs.out_proj, f"{name}.w_o")

    def layer(theirs, name, norms):
        attention(theirs.self_attn, f"{name}.self_attention")
        linear(theirs.linear1, f"{name}.feed_forward.w_1")
        linear(theirs.linear2, f"{name}.feed_forward.w_2")
        for number in range(1, norms + 1):
            norm(getattr(theirs, f"norm{number}"), f"{name}.norm_{number}")

    def norm(theirs, name):
        theirs.weight.copy_(weights[f"{name}.gamma"])
        theirs.bias.copy_(weights[f"{name}.beta"])

    with torch.no_grad():
        for i, theirs in enumerate(model.encoder.layers):
            layer(theirs, f"encoder.stack.layers.{i}", 2)
        for i, theirs in enumerate(model.decoder.layers):
            layer(theirs, f"decoder.stack.layers.{i}", 3)
            attention(theirs.multihead_attn, f"decoder.stack.layers.{i}.cross_attention")
        linear(model.projection, "decoder.projection")
