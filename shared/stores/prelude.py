"""Lua that several scripts share, put in front of them.

Owns how a script is made of fragments; each fragment only defines local functions. Must never run one.
"""

from pathlib import Path

from shared.stores.scripts import Script, load_script

FENCE = "fence"
PLACES = "places"
LISTS = "lists"
CALLERS = "callers"
FILLS = "fills"
FINISHES = "finishes"
SHIELDS = "shields"


def hot_script(package_file: str, name: str, *fragments: str) -> Script:
    """The script `<name>.lua` beside a module, behind fragments.

    Shape: a fragment is looked for beside the module first, then among the shared ones.
    """
    texts = [_fragment(package_file, fragment) for fragment in fragments]
    return Script(name, "\n".join([*texts, load_script(package_file, name).source]))


def _fragment(package_file: str, name: str) -> str:
    own = Path(package_file).with_name(f"{name}.lua")
    path = own if own.exists() else Path(__file__).with_name(f"{name}.lua")
    return path.read_text(encoding="utf-8")
