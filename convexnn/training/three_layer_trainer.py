"""temporary"""
from dataclasses import dataclass

from ..architectures import ParallelReLU
from ..data.samples import Samples
from ..solvers import select_backend
from .trainer import Trainer

BLOCK_SOLVERS = {"interior_point": "", "cvxpy": ""}
@dataclass
class ThreeLayerTrainer:
    samples: Samples
    solver: str
    n_units: int
    cells: object
    n_cells: int
    max_subnetworks: object
    tol: float
    max_iter: int
    verbose: int
    random_state: object
    loss: str = "squared"
    def __post_init__(self):
        self.trainer = Trainer(self.samples, select_backend("active_set", "relu"), architecture=ParallelReLU(self.n_units), cells=self.cells, n_cells=self.n_cells, tol=self.tol, max_iter=self.max_iter, verbose=self.verbose, random_state=self.random_state, loss=self.loss, max_neurons=self.max_subnetworks)
    def beta_max(self):
        return self.trainer.beta_max()
    def train(self, beta, start=None):
        t = self.trainer.train(beta, start)
        object.__setattr__(t, "convex_objective", t.certificate.primal)
        return t
