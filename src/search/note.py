"""What the MLflow UI says of a search: its result in a sentence, its best trials as a table."""

from src.search.outcome import Outcome
from src.search.request import Request
from src.search.screen import number, short, short_names


def describe_search(outcome: Outcome, request: Request) -> str:
    """Return verdict and best trials in Markdown."""
    names = short_names(list(request.space.entries))
    objective = ", ".join(map(str, request.settings.objective))
    verdict = outcome.verdict.describe(request.settings.target)
    lines = [f"**{verdict[0].upper()}{verdict[1:]}** ({objective})."]
    lines.append(f"\nThe search ended because {outcome.stop_reason}.")
    if outcome.test is not None:
        tested = f"{outcome.test['test/accuracy']:.4f}"
        lines.append(f"\nTest accuracy of run {outcome.handed_over}: {tested}.")
    lines += ["", *(f"- {said}." for said in outcome.advice)]
    head = ["trial", "in the search", "on fresh seeds", *names.values()]
    lines += ["", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for found in outcome.finalists:
        name = f"**{found.number}**" if found.number == outcome.best else str(found.number)
        fresh = "" if found.fresh is None else f"{number(found.fresh)} ({len(found.confirmed)})"
        values = [short(found.assignment.get(key, "")) for key in names]
        lines.append(f"| {' | '.join([name, number(found.value), fresh, *values])} |")
    return "\n".join(lines)


def best_values(outcome: Outcome, request: Request) -> dict[str, str]:
    """Return the winner's searched values as tags: unlike params, the next session may set them."""
    names = short_names(list(request.space.entries))
    assignment = next((f.assignment for f in outcome.finalists if f.number == outcome.best), {})
    return {f"best.{names[key]}": str(value) for key, value in assignment.items() if key in names}
