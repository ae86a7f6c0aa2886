"""How a count is said in English, wherever an operator reads one."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: "1 call", "3 calls", "1 event waits".

    Parameters
    ----------
    count : int
        0 or more.
    one : str
        What follows 1.
    many : str, optional
        What follows all others; `one` with an "s" if not given.
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
