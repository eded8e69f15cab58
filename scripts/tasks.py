"""Lists the tasks of lm-evaluation-harness that can be read, and why others are refused.

python scripts/tasks.py
python scripts/tasks.py arc
python scripts/tasks.py mmlu --folder my_tasks
python scripts/tasks.py --report results/lm_eval_tasks.md

The word is the name of a group or a tag, or a part of the names of tasks.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from research.common.errors import exit_on_input_error
from research.common.files import write_atomically
from research.common.printable import printable


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line per task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("word", nargs="?", help="group, tag, or part of a name")
    parser.add_argument("--folder", help="folder of task files; default: the installed package")
    parser.add_argument("--report", type=Path, help="write a page about all tasks to this file")
    options = parser.parse_args(arguments)
    from research.tasks.lm_eval.catalog.index_cache import open_index  # here: --help is fast
    from research.tasks.lm_eval.catalog.listing import chosen_entries, listing
    from research.tasks.lm_eval.catalog.package import task_folder

    folder = task_folder(options.folder)
    index = open_index(folder)
    if options.report is not None:
        from research.studies.lm_eval_tasks.report import report_tasks, tasks_page

        write_atomically(options.report, tasks_page(folder, report_tasks(folder, index)).encode())
        return 0
    for line in listing(chosen_entries(index, options.word)):
        print(printable(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
