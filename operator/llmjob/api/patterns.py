"""Patterns of the API's strings, and in words what they ask for; both the API server and the reader hold them."""

from typing import Final

# Whole numbers by construction: as many decimals as the suffix has zeros, at most nine.
COUNT: Final = r"^([0-9]{1,4}(\.[0-9]{1,3})?K|[0-9]{1,4}(\.[0-9]{1,6})?M|[0-9]{1,4}(\.[0-9]{1,9})?[BT]|[0-9]{1,16})$"
# Names as the Hugging Face Hub allows them: an organisation and a model, or a model alone, 96 characters each.
ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$"
REVISION: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"
FRACTION: Final = r"^([0-9]{1,3}(\.[0-9]{1,6})?|\.[0-9]{1,6})$"
NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

MEANINGS: Final = {
    COUNT: "a parameter count such as 7B, 0.5B or 350M",
    ID: "a model id such as Qwen/Qwen2.5-7B-Instruct, no URL and no path",
    REVISION: "a branch, tag or commit",
    FRACTION: 'a decimal fraction such as "0.9"',
    NAME: "a name of lower-case letters, digits, '-' and '.', begun and ended by a letter or digit",
}
