"""The command that a person runs."""

import warnings

# Google's clients tell at import when Python 3.11 ends; nobody who drops files can do anything about it.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
