"""A script that waits for something before it trains."""

import time

print("waiting for the cluster")
time.sleep(3600)
