"""From what the user points at to something that can be called: resolving, naming roles, building arguments."""
