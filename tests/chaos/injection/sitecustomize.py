"""Have every Python of a stack meet the faults that a test arms; the product's code stays as it is.

Python imports a module of this name at every start; the harness puts this folder on the stack's PYTHONPATH.
"""

from chaos import faults
from chaos.steps import FUNCTIONS

faults.install(FUNCTIONS)
