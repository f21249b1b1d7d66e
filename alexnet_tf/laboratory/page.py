"""index.html: everything that was shown of a network, on one page that needs no network."""

import base64
import html
from collections.abc import Sequence

from alexnet_tf.laboratory.exhibit import Exhibit, png

STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; border: 1px solid #ddd }
figure { margin: 1rem 0 }
h2 { margin-top: 3rem; border-top: 1px solid #ddd; padding-top: 1rem }
dt { font-weight: bold }
dd { margin: 0 0 .5rem }
"""


def page(what: str, pictures: str, exhibits: Sequence[Exhibit], left_out: Sequence[str]) -> str:
    """Writes the page.

    Args:
      what: says which network was shown.
      pictures: says which pictures were shown to it.
      exhibits: in the order of the page.
      left_out: a sentence about each that could not be shown.

    Returns:
      HTML with the pictures inside.
    """
    title = html.escape(f"What {what} has learned")
    entries = "".join(
        f'<li><a href="#{x.name}">{html.escape(x.about.title)}</a></li>\n' for x in exhibits
    )
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{title}</title>\n',
        f"<style>{STYLE}</style>\n<h1>{title}</h1>\n<p>{html.escape(pictures)}</p>\n",
        f"<ul>\n{entries}</ul>\n",
        *map(_section, exhibits),
    ]
    if left_out:
        items = "".join(f"<li>{html.escape(sentence)}</li>\n" for sentence in left_out)
        parts.append(f"<h2>Not shown</h2>\n<ul>\n{items}</ul>\n")
    return "".join(parts)


def _section(exhibit: Exhibit) -> str:
    """Writes one exhibit: its picture, and what to know of it."""
    about, picture = exhibit.about, base64.b64encode(png(exhibit.picture)).decode()
    facts = {
        "What one sees": exhibit.seen,
        "How it was computed": about.method,
        "Where it comes from": about.source,
        "What it does not show": about.limits,
    }
    terms = "".join(f"<dt>{key}</dt><dd>{html.escape(text)}</dd>\n" for key, text in facts.items())
    return (
        f'<h2 id="{exhibit.name}">{html.escape(about.title)}</h2>\n<figure><img '
        f'src="data:image/png;base64,{picture}" alt="{html.escape(about.title)}"></figure>\n'
        f"<dl>\n{terms}</dl>\n"
    )
