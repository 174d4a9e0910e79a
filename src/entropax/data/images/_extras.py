import importlib
from types import ModuleType


def imported(module: str, what: str, install: str) -> ModuleType:
    """A module that an extra brings, by its name: the type checker would miss it where it is not installed.

    **Raises:** `ImportError` that says `what` wants which package, and how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise ImportError(f"{what} needs {package}: pip install {install} ({error}).") from error
