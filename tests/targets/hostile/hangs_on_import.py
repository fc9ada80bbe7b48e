"""Never lets itself be imported."""

import time

time.sleep(3600)
