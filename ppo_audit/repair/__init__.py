"""From a located finding to a source edit that was tried: candidates at the line, loaded in memory, judged anew.

`source` reads a file, `slips` says what may belong there, `loading` opens the target with an edit in place of the file,
`trials` judges it, `search` chooses. `change` and `applying` know text only: they run in the command, without torch.
"""
