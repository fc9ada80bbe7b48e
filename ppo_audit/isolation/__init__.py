"""Where an audit runs: targets in worker processes under limits, and what is kept when one of them ends.

`pool` spreads targets over workers, `attempts` starts a fresh worker where one was lost, `attempt` watches one worker,
`worker` is what runs in it, `records` is the only thing that crosses the border. The parent never imports torch.
The pool is `concurrent.futures`, processes come from `multiprocessing`, trees of them are measured and killed with
`psutil`: pools that hand results back through a pipe (pebble, loky) give a target one thing more to break.
"""
