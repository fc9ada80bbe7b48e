"""One module a command or family of commands. Heavy modules load inside the commands that need them."""
