"""The table of states in docs/development/uploads.md: `python -m tests.uploads.state_table` renews it there."""

from __future__ import annotations

from pathlib import Path

from wsfs.uploads.states import TABLE, Event, State

PAGE = Path(__file__).parents[2] / "docs" / "development" / "uploads.md"
BEGIN, END = "<!-- states: begin -->", "<!-- states: end -->"


def rendered() -> str:
    """A row for each state, with what may happen in it and what follows."""
    lines = ["| state | what happens | then |", "| --- | --- | --- |"]
    for state in State:
        follows = [(event, TABLE[state, event]) for event in Event if (state, event) in TABLE]
        for number, (event, after) in enumerate(follows):
            name = f"`{state}`" if number == 0 else ""
            lines.append(f"| {name} | {event.value} | `{after}` |")
        if not follows:
            lines.append(f"| `{state}` | nothing any more | |")
    return "\n".join(lines)


def in_page(text: str) -> str:
    """The table that the page's text holds."""
    return text.partition(BEGIN)[2].partition(END)[0].strip()


def main() -> None:
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{rendered()}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
