"""Ten steps of each optimizer against torch's, on random gradients and with a learning rate that changes."""

import pytest

from minisora.layers.layer import Parameter
from minisora.training import SGD, Adam, AdamW

torch = pytest.importorskip("torch", reason="parity tests need torch: pip install 'minisora[parity]'")

STEPS = 10
MOMENTS = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq", "velocity": "momentum_buffer"}


def draw_adam(rng):
    return {"betas": (rng.uniform(0, 0.99), rng.uniform(0.5, 0.9999)), "eps": 10 ** rng.uniform(-10, -2)}


DRAW = {
    "sgd": (SGD, torch.optim.SGD, lambda rng: {"momentum": 0.0}),
    "momentum": (SGD, torch.optim.SGD, lambda rng: {"momentum": rng.uniform(0.1, 0.99)}),
    "adam": (Adam, torch.optim.Adam, draw_adam),
    "adamw": (AdamW, torch.optim.AdamW, lambda rng: draw_adam(rng) | {"weight_decay": rng.uniform(0.01, 0.5)}),
}


class Duel:
    """The same parameters and settings in an optimizer of either side; torch's groups tell which parameters decay."""

    def __init__(self, parity, rng, name):
        kind, torch_kind, draw = DRAW[name]
        self.parity, self.rng, self.lr, setting = parity, rng, rng.uniform(0.01, 0.1), draw(rng)
        rows, columns, length = parity.draw_sizes(rng, 3)
        shapes = {"matrix": (rows, columns), "vector": (length,), "norm": (columns,)}
        self.start = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
        self.parameters = {name: Parameter(x.copy(), decay=name != "norm") for name, x in self.start.items()}
        self.tensors = {name: torch.tensor(x, requires_grad=True) for name, x in self.start.items()}
        spared = {"weight_decay": 0.0} if name == "adamw" else {}
        decaying, norm = [self.tensors["matrix"], self.tensors["vector"]], [self.tensors["norm"]]
        self.ours = kind(self.parameters.items(), self.lr, **setting)
        self.theirs = torch_kind([{"params": decaying}, {"params": norm, **spared}], lr=self.lr, **setting)

    def step(self, exaggeration=1.0):
        """One step each, on the same random gradients; ours at a learning rate that many times as large."""
        lr, size = self.lr * self.rng.uniform(0.5, 1.5), 10 ** self.rng.uniform(-1, 1)
        self.ours.lr = lr * exaggeration
        for group in self.theirs.param_groups:
            group["lr"] = lr
        for name, parameter in self.parameters.items():
            parameter.grad[...] = self.rng.normal(0, size, parameter.data.shape)
            parameter.grad.flat[0] = 0.0  # Adam's 0 / (0 + eps)
            self.tensors[name].grad = torch.from_numpy(parameter.grad.copy())
        self.ours.step()
        self.theirs.step()

    def judge(self):
        """Compare how far the parameters have moved, which is less than where they are, and every moment."""
        moved = {name: parameter.data - self.start[name] for name, parameter in self.parameters.items()}
        expected = {name: tensor.detach().numpy() - self.start[name] for name, tensor in self.tensors.items()}
        self.parity.assert_close(moved, expected)
        for moment in self.ours.moments:
            theirs = {f"{name}.{moment}": self._torch_moment(tensor, moment) for name, tensor in self.tensors.items()}
            ours = {name: array for name, array in self.ours.state().items() if name.endswith(moment)}
            self.parity.assert_close(ours, theirs)

    def _torch_moment(self, tensor, moment):
        kept = self.theirs.state[tensor].get(MOMENTS[moment])
        return tensor.grad.numpy() if kept is None else kept.numpy()  # SGD without momentum: v = g, which torch spares


@pytest.mark.parametrize("name", DRAW)
def test_ten_steps(parity, rng, name):
    duel = Duel(parity, rng, name)
    for _ in range(STEPS):
        duel.step()
        duel.judge()


@pytest.mark.parametrize("name", DRAW)
def test_a_learning_rate_off_by_a_billionth_is_refused(parity, rng, name):
    duel = Duel(parity, rng, name)
    for _ in range(STEPS):
        duel.step(exaggeration=1 + 1e-9)
    with pytest.raises(AssertionError):
        duel.judge()
