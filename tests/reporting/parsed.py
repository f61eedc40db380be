"""A page as a test reads it."""

import html.parser

_VOID = {"meta", "link", "br", "use", "path", "rect", "circle"}


class Page(html.parser.HTMLParser):
    """Collects elements, their attributes and their texts.

    Attributes:
        elements: List of tuples of a name, a dict of attributes and the index of the
            text that begins there.
        words: List of the texts between tags.
    """

    def __init__(self, source):
        super().__init__()
        self.elements, self.words, self.ends = [], [], {}
        self.open = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), len(self.words)))
        if tag not in _VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), len(self.words)))

    def handle_endtag(self, tag):
        if tag in _VOID:
            return
        opened, index = self.open.pop()
        assert opened == tag, f"{opened} ends as {tag}"
        self.ends[index] = len(self.words)

    def handle_data(self, data):
        self.words.append(data)

    def find(self, tag=None, **attributes):
        """Lists the indices of elements of a name and of attributes."""
        wanted = {key.rstrip("_").replace("_", "-"): v for key, v in attributes.items()}
        return [
            index
            for index, (name, attrs, _) in enumerate(self.elements)
            if tag in (None, name)
            and all(
                value in attrs.get(key, "").split() for key, value in wanted.items()
            )
        ]

    def attrs(self, index):
        return self.elements[index][1]

    def text(self, index):
        """Returns the text of an element, white space as one blank."""
        words = self.words[self.elements[index][2] : self.ends[index]]
        return " ".join("".join(words).split())
