"""Hostile targets: what each does, the exit codes that may answer it, and a piece of the report that says so.

2 where the target leaves before anything was judged, 3 where it was lost or hung, else what its judgement asks for.
"""

from dataclasses import dataclass

FOLDER = "tests/targets/hostile"
ENDED = "ended the process with exit code 0"
LATE = "it took more than"
KILLED = "killed by signal"


@dataclass(frozen=True)
class Hostile:
    """A target, what it does, the exit codes of its entry, and what the report says of it."""

    spec: str
    does: str
    codes: tuple[int, ...]
    said: str = ""

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.spec}"


HOSTILE = (
    Hostile("endings.py:exits_at_once", "os._exit(0) on every call", (2,), ENDED),
    Hostile("endings.py:exits_later", "os._exit(0) on an extreme batch", (3,), ENDED),
    Hostile("endings.py:sys_exits", "sys.exit(0) on every call", (2,), "SystemExit"),
    Hostile("endings.py:sys_exits_later", "sys.exit(0) on an extreme batch", (0, 1), "SystemExit"),
    Hostile("endings.py:segfaults", "reads address 0", (3,), "SIGSEGV"),
    Hostile("endings.py:segfaults_later", "reads address 0 on an extreme batch", (3,), "SIGSEGV"),
    Hostile("endings.py:aborts", "os.abort()", (3,), "SIGABRT"),
    Hostile("endings.py:kills_itself", "SIGKILL to itself on an extreme batch", (3,), "SIGKILL"),
    Hostile("endings.py:kills_its_group", "SIGKILL to its process group", (3,), "SIGKILL"),
    Hostile("endings.py:interrupts", "raises KeyboardInterrupt on an extreme batch", (3,), "KeyboardInterrupt"),
    Hostile("endings.py:leaves_as_a_generator", "raises GeneratorExit", (2,), "GeneratorExit"),
    Hostile("endings.py:exits_in_del", "raises SystemExit in __del__", (0,)),
    Hostile("hangs.py:in_python", "an endless loop in Python", (3,), LATE),
    Hostile("hangs.py:in_python_later", "an endless loop on an extreme batch", (3,), LATE),
    Hostile("hangs.py:in_c", "sleeps in C", (3,), "hangs.py:24"),
    Hostile("hangs.py:in_a_lock", "waits for a lock that it holds", (3,), LATE),
    Hostile("hangs.py:deaf_to_signals", "ignores signals and sleeps", (3,), LATE),
    Hostile("hangs.py:in_an_endless_generator", "sums an endless generator", (3,), LATE),
    Hostile("hangs.py:in_the_middle_of_big_integers", "an integer of 10^9 digits, GIL held", (3,)),
    Hostile("hangs.py:in_recursion", "recurses without end", (2, 3)),
    Hostile("hangs.py:in_recursion_without_limit", "recursion in C without a limit", (2, 3)),
    Hostile("floods.py:memory", "allocates without end", (3,), "GiB of memory"),
    Hostile("floods.py:memory_at_once", "asks for a petabyte", (2,), "allocate"),
    Hostile("floods.py:output", "prints 2 MB on every call", (0, 3)),
    Hostile("floods.py:endless_output", "prints without end", (3,), LATE),
    Hostile("floods.py:warning", "100 warnings on every call", (0, 3)),
    Hostile("floods.py:daemon_threads", "a sleeping daemon thread on every call", (0, 3)),
    Hostile("floods.py:lasting_threads", "20 threads that do not end", (0, 3)),
    Hostile("floods.py:processes", "three processes in sessions of their own", (0, 3)),
    Hostile("floods.py:small_fork_bomb", "forks five times, all sleep", (3,)),
    Hostile("state.py:default_dtype", "sets the default dtype", (0, 1, 3), "default dtype"),
    Hostile("state.py:gradient_mode", "switches gradients off", (0, 1, 3)),
    Hostile("state.py:seed", "seeds the generators 100 times", (0, 1, 3)),
    Hostile("state.py:patched_torch", "replaces torch.exp and torch.ones", (0, 1, 3), "torch.exp"),
    Hostile("state.py:patched_builtins", "replaces open, pickle.dumps, perf_counter", (0, 2, 3), "open"),
    Hostile("state.py:modules", "sets modules of ours to None", (0, 2, 3), "sys.modules"),
    Hostile("state.py:path", "empties sys.path", (0, 2, 3), "sys.path"),
    Hostile("state.py:environment", "empties os.environ", (0, 3)),
    Hostile("state.py:folder", "changes to another folder", (0, 3)),
    Hostile("state.py:streams", "closes every file, standard ones too", (0, 3)),
    Hostile("state.py:exit_handlers", "exit handlers that end or sleep", (0, 3)),
    Hostile("state.py:signal_handlers", "ignores SIGTERM, SIGINT and SIGHUP", (0, 3)),
    Hostile("state.py:asks", "waits for an answer on stdin", (2,)),
    Hostile("state.py:stops_in_the_debugger", "breakpoint()", (2,)),
    Hostile("objects.py:unprintable_error", "an error that cannot be printed or pickled", (2,), "Trap"),
    Hostile("objects.py:megabyte_error", "an error of four megabytes", (2,), "ValueError: nono"),
    Hostile("objects.py:terminal_error", "an error that commands the terminal", (2,), "red <script>"),
    Hostile("objects.py:returns_a_trap", "returns an object without repr, equality, hash", (2,), "Odd"),
    Hostile("objects.py:odd_default", "such an object as default of an argument", (0, 2, 3)),
    Hostile("exits_on_import.py:loss", "os._exit(0) on import", (2,), ENDED),
    Hostile("hangs_on_import.py:loss", "sleeps on import", (3,), "hangs_on_import.py:5"),
    Hostile("hanging_script.py", "a script that never trains", (3,), "hanging_script.py:6"),
    Hostile("exiting_script.py", "a script that leaves with os._exit(0)", (2,), ENDED),
    Hostile("leaving_script.py", "a script that calls sys.exit", (2,), "SystemExit: give --data"),
    Hostile("crashing_script.py", "a script that fails before it trains", (2,), "ConnectionError: no simulator"),
    Hostile("forking_script.py", "a script that forks, and both train", (0,)),
    Hostile("script_that_hangs_later.py", "hangs in its first step", (3,), "script_that_hangs_later.py:14"),
    Hostile("script_that_crashes_later.py", "fails in its second update", (0,), "ConnectionError: no simulator"),
    Hostile("script_that_leaves_later.py", "calls sys.exit when it has trained", (0,), "SystemExit: 1"),
)
