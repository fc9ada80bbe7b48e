"""`python -m ppo_audit` is the command `ppo-audit`."""

from ppo_audit.cli import main

if __name__ == "__main__":
    main()
