"""A failure as pictures: before, attacked, what was changed, and where the model looks."""

from collections.abc import Mapping

from mat_jax.attacks import ATTACKS
from mat_jax.evaluate.report.embedded import address, stepped
from mat_jax.evaluate.report.wording import safe, title
from mat_jax.evaluate.results import WORST_CASE, Result, Row, eps_text
from mat_jax.evaluate.thumbnails import THUMBNAIL
from mat_jax.evaluate.views import View

LOOKS = 128  # pixels of a side of what the model looks at, which has thin lines


class Album:
    """Pictures that stand once in the page, however often they are shown."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    def shown(self, source: str, alt: str) -> str:
        """A picture by the address that holds it."""
        number = self.held.setdefault(source, len(self.held))
        return (
            f'<svg class="thumb" viewBox="0 0 {THUMBNAIL} {THUMBNAIL}" role="img" '
            f'aria-label="{safe(alt)}"><use href="#p{number}"/></svg>'
        )

    def all(self) -> str:
        """The pictures themselves, where nobody sees them."""
        pictures = "".join(
            f'<image id="p{number}" width="{THUMBNAIL}" height="{THUMBNAIL}" href="{source}"/>'
            for source, number in self.held.items()
        )
        return f'<svg class="held" aria-hidden="true"><defs>{pictures}</defs></svg>'


def strip(result: Result, row: Row, place: int, album: Album) -> str:
    """The pictures of one failure, beside each other."""
    name, view = f"picture {place + 1}", row.views.get(place)
    attacked = row is not result.clean
    label = f"{name} before the attack" if attacked else name
    figures = [figure(album.shown(address(result.thumbnails[place]), label), name)]
    where = f"under {named(row)}"
    if view is not None and view.picture is not None and view.difference is not None:
        told = f"attacked by {title(view.attack)}" if row.attack == WORST_CASE else "attacked"
        figures.append(figure(album.shown(address(view.picture), f"{name} {where}"), told))
        changed = f"what was changed in {name} {where}"
        figures.append(figure(album.shown(stepped(view.difference), changed), "difference"))
    if place in result.overlays:
        when = ", before" if attacked else ""
        looks = f"what the model looks at in {name}{when}"
        drawn = album.shown(address(result.overlays[place], LOOKS), looks)
        figures.append(figure(drawn, f"looks at{when}"))
    if view is not None and view.overlay is not None:
        looks = f"what the model looks at in {name} {where}"
        drawn = album.shown(address(view.overlay, LOOKS), looks)
        figures.append(figure(drawn, "looks at, attacked"))
    return f'<div class="views">{"".join(figures)}</div>'


def named(row: Row) -> str:
    """`SGA at 2/255`."""
    return title(row.attack) + ("" if row.eps is None else f" at {eps_text(row.eps)}")


def missing(row: Row, place: int) -> str:
    """Of a worst case, why no attacked picture is shown; empty where one is."""
    view = row.views.get(place)
    if row.attack != WORST_CASE or view is None or view.picture is not None:
        return ""
    if view.attack not in ATTACKS or view.attack == "none":
        return ""
    told = f"The most damage is done by {title(view.attack)}"
    if not ATTACKS[view.attack].on_images:
        return f"{told}, which leaves the picture as it is."
    return f"{told}, whose worst failures are others: its picture was not kept."


def explained(results: Mapping[str, Result]) -> str:
    """What the pictures of failures are, in a few sentences."""
    first = next(iter(results.values()))
    rows = [row for result in results.values() for row in result.rows]
    views: list[View] = [view for row in rows for view in row.views.values()]
    said = "Pictures are shown as they were before the attack."
    if any(view.picture is not None for view in views):
        most = "the largest change in it"
        if all(row.protocol.get("norm") == "linf" for row in rows if row.eps is not None):
            most = "the whole eps"
        said = (
            "Each is shown before the attack and after it, with the difference: grey is no change, "
            f"and black or white is {most} down or up. What is found instead is shown as it was "
            "before."
        )
    looks = f" {first.task.looks}" if any(result.overlays for result in results.values()) else ""
    return said + looks


def figure(drawn: str, told: str) -> str:
    """A picture with a line under it."""
    return f"<figure>{drawn}<figcaption>{safe(told)}</figcaption></figure>"
