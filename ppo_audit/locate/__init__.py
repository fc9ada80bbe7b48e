"""Where a violation comes from: recorded calls are replaced one at a time; the one that cures it proves the line."""

from ppo_audit.locate.place import Place
from ppo_audit.locate.search import locate

__all__ = ["Place", "locate"]
