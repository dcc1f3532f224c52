"""A page as a browser takes it apart."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img"}


class Elements(HTMLParser):
    """Every element with its attributes, in order, and what is in scripts; holds each to its end tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open.pop() != tag:  # an option, a row or an item may end with its parent
            assert self.open, f"</{tag}> ends nothing"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts[-1] += data

    def all(self, tag: str, attribute: str) -> list[str]:
        """Return an attribute of all elements that have this tag and it."""
        return [value for name, found in self.elements if name == tag and (value := found.get(attribute))]
