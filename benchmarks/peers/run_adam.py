"""torch's Adam on all rows, 100 units, three rates, in single precision.

The rate is halved when the objective stops falling. The objectives of the curve are
the ones that the gradients are taken of, so recording them costs nothing.
"""

from __future__ import annotations

import torch
from exchange import serve

N_UNITS = 100
RATES = (0.1, 0.03, 0.01)

#: Steps between two looks at the objective, and looks without progress of this
#: size, relative, after which the rate is halved.
_STRIDE = 10
_PATIENCE = 20
_PROGRESS = 1e-5

#: Halvings after which a run ends.
_HALVINGS = 12


def start(case):
    """Return the data and a random network; seeded, so alike for all rates."""
    torch.manual_seed(case.seed)
    X = torch.tensor(case.X, dtype=torch.float32)
    y = torch.tensor(case.y, dtype=torch.float32)
    d = X.shape[1]
    parts = [
        torch.randn(d, N_UNITS) * (2 / (d + 1)) ** 0.5,
        torch.zeros(N_UNITS),
        torch.randn(N_UNITS) / N_UNITS**0.5,
        torch.zeros(()),
    ]
    return X, y, [part.requires_grad_() for part in parts]


def objective(X, y, beta, parts):
    """Return the objective as a tensor."""
    hidden, bias, output, intercept = parts
    residual = torch.relu(torch.addmm(bias, X, hidden)) @ output + intercept - y
    penalty = sum((part * part).sum() for part in parts[:3])
    return 0.5 * (residual @ residual) + 0.5 * beta * penalty


def descend(case, rate, limit, watch):
    """Return the best weights seen and the curve of one rate."""
    X, y, parts = start(case)
    adam = torch.optim.Adam(parts, lr=rate)
    curve, best, kept, stale, step = [], float("inf"), None, 0, 0
    begun = watch.seconds()
    while watch.seconds() - begun < limit:
        value = objective(X, y, case.beta, parts)
        if step % _STRIDE == 0:
            now = value.item()
            stale = 0 if now < best * (1 - _PROGRESS) else stale + 1
            if now < best:
                best, kept = now, [part.detach().clone() for part in parts]
            curve.append((watch.seconds() - begun, best))
            if stale > _PATIENCE:
                stale = 0
                adam.param_groups[0]["lr"] /= 2
                if adam.param_groups[0]["lr"] < rate / 2**_HALVINGS:
                    break
        adam.zero_grad()
        value.backward()
        adam.step()
        step += 1
    return kept, curve


def solve(case, watch):
    """Hand in every rate; what a rate leaves of its share goes to the next."""
    torch.set_num_threads(1)
    objective(*start(case)[:2], case.beta, start(case)[2]).backward()
    watch.start(1.5 * case.limit + 5)
    for k, rate in enumerate(RATES):
        share = (case.limit - watch.seconds()) / (len(RATES) - k)
        parts, curve = descend(case, rate, share, watch)
        names = ("hidden", "bias", "output", "intercept")
        network = {
            name: part.double().numpy() for name, part in zip(names, parts, strict=True)
        }
        watch.hand_in(network, curve[-1][0], curve, rate=rate)


if __name__ == "__main__":
    serve(solve, ["torch", "numpy"])
