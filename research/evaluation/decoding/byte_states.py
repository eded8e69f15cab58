"""Prints the automaton of a pattern over bytes, by outlines-core; a program of its own.

Compiling a pattern can take any time and memory, so a process with limits does it:
`python byte_states.py MOST_STATES MOST_BYTES FIRST < pattern`, where FIRST may be empty. It prints
S, then S numbers (1 where the text matches), then S rows of 256 numbers: the state after each byte,
or -1; all as int32. State 0 is that of the empty text. Exit code 3: there are more states; 4:
outlines-core refuses the pattern, with its reason on stderr.
"""

import resource
import sys
from array import array
from collections.abc import Mapping

BYTES = 256
TOO_MANY, REFUSED = 3, 4  # exit codes
# outlines-core prefers the first alternative: `1|12` does not match 12. Where the same character
# follows every match, no alternative is preferred. Unicode assigns this character to nothing.
LAST = "\U0010ffff"
# It also prepares for matches that begin later, which take up to 2^n states for a count of n. They
# take none where each match begins with a character that stands nowhere else.
FIRST = "\U0010fffe"


def byte_states(pattern: str, first: str, most: int) -> array:
    """The numbers to print.

    Args:
        pattern: the regular expression.
        first: `FIRST` where the pattern does not match it, else "".
        most: maximum number of states.

    Raises ValueError for a pattern that outlines-core refuses, and OverflowError for more states.
    """
    from outlines_core import Index, Vocabulary

    vocabulary = Vocabulary(BYTES, {bytes([byte]): [byte] for byte in range(BYTES)})
    index = Index(f"{first}(?:{pattern}){LAST}", vocabulary)
    transitions, final = index.get_transitions(), set(index.get_final_states())
    begin = _after(transitions, index.get_initial_state(), first.encode())
    if begin is None:
        raise ValueError("it matches no text")
    states = _reachable(transitions, begin)
    if len(states) > most:
        raise OverflowError
    numbers = {state: number for number, state in enumerate(states)}
    matches = (int(_after(transitions, state, LAST.encode()) in final) for state in states)
    values = array("i", [len(states), *matches])
    for state in states:
        row = transitions.get(state, {})
        values.extend(numbers[row[byte]] if byte in row else -1 for byte in range(BYTES))
    return values


def _reachable(transitions: Mapping[int, Mapping[int, int]], begin: int) -> list[int]:
    """The states that texts lead to, from the first."""
    states = {begin: None}  # in order
    waiting = [begin]
    while waiting:
        for state in transitions.get(waiting.pop(), {}).values():
            if state not in states:
                states[state] = None
                waiting.append(state)
    return list(states)


def _after(
    transitions: Mapping[int, Mapping[int, int]], state: int | None, text: bytes
) -> int | None:
    """The state after a text; None where it may not follow."""
    for byte in text:
        state = None if state is None else transitions.get(state, {}).get(byte)
    return state


def main() -> int:
    most, size = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    pattern = sys.stdin.buffer.read().decode()
    try:
        sys.stdout.buffer.write(byte_states(pattern, sys.argv[3], most).tobytes())
    except OverflowError:
        return TOO_MANY
    except ValueError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
