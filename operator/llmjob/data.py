"""The data files of the package: what changes faster than code lies in them, each figure with its source."""

from pkgutil import get_data


def read_text(package: str, path: str) -> str:
    """The text of a file in a package, by its path with "/" below it.

    By pkgutil: importlib.resources would load a tenth of the standard library at the start of each command.

    Raises:
        FileNotFoundError: when the package has no such file.
    """
    content = get_data(package, path)
    if content is None:  # a loader without access to files
        raise FileNotFoundError(f"{package} cannot read {path}")
    return content.decode("utf-8")
