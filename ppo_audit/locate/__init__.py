"""Where a violation comes from: one recorded call is replaced at a time; the replacement that cures it proves the line."""

from ppo_audit.locate.place import Place
from ppo_audit.locate.search import locate

__all__ = ["Place", "locate"]
