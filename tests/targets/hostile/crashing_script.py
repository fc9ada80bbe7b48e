"""A script that fails before it trains."""

raise ConnectionError("no simulator at port 2000")
