"""Random numbers as ``boltz predict --seed`` fills them, in a process that lives on and in others beside it.

The command fills in an order that is easily lost, so each of its steps has its line here:

1. it seeds Python, numpy and torch; RDKit's own generator, which makes the conformers, starts at its default;
2. it builds the model: initial weights are drawn from torch's CPU generator, then replaced;
3. its DataLoader fills a base seed, with which a worker process featurises (it turns conformers at random);
4. the model samples; for an affinity, steps 2 to 4 come again with the second model.

Step 2 is not repeated: what it fills is noted down (and not drawn) when the model is loaded, and drawn again
for each input. On CUDA, where sampling has the GPU's generator, seeded anew, it is left out: half a billion
numbers take seconds. Between the steps, and from process to process, the state of
torch's generator is handed on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from pytorch_lightning import seed_everything
from rdkit import Chem
from torch.overrides import TorchFunctionMode


def seed_all(seed: int) -> None:
    """Put every generator of this process where ``boltz predict --seed`` starts."""
    seed_everything(seed, verbose=False)
    # RDKit's generator has no setter of its own. Asking for no SMILES puts it to 42, its value at start-up.
    Chem.MolToRandomSmilesVect(Chem.MolFromSmiles("C"), 0, randomSeed=42)


class Fill(NamedTuple):
    """One tensor that was to be filled with random numbers: by what, of which shape and type."""

    fill: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: torch.dtype
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def repeat(self) -> None:
        """Advance torch's CPU generator as the filling would have."""
        self.fill(torch.empty(self.shape, dtype=self.dtype), *self.args, **self.kwargs)


class Recorded(TorchFunctionMode):
    """Within it, filling a tensor with random numbers is noted down in ``fills``, not done."""

    def __init__(self) -> None:
        super().__init__()
        self.fills: list[Fill] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (torch's own signature)
        kwargs = dict(kwargs or {})
        if func not in _RANDOM_FILLS:
            return func(*args, **kwargs)
        # torch's initialisers pass the tensor by name, its methods do not
        tensor: torch.Tensor = kwargs.pop("tensor") if "tensor" in kwargs else args[0]
        self.fills.append(Fill(func, tuple(tensor.shape), tensor.dtype, args[1:], kwargs))
        return tensor


_RANDOM_FILLS = frozenset(
    {
        torch.nn.init.uniform_,
        torch.nn.init.normal_,
        torch.nn.init.kaiming_uniform_,
        torch.Tensor.uniform_,
        torch.Tensor.normal_,
    }
)


@contextmanager
def as_in_a_data_loader(fills: Sequence[Fill]) -> Iterator[None]:
    """Featurise with the generator of a DataLoader's worker; after it, the state is that before sampling."""
    for fill in fills:
        fill.repeat()
    base_seed = int(torch.empty((), dtype=torch.int64).random_())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(base_seed)  # of the CPU alone
        yield
