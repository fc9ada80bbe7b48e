"""Functions that are judged alone: returns and advantages from rewards, normalisers, and how they are called."""
