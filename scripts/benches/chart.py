"""A chart of horizontal bars as SVG, for light and dark pages alike."""
from xml.sax.saxutils import escape

WIDTH, LABEL, FIGURE, BAR, GAP, GROUP = 760, 230, 70, 18, 6, 40
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.ours { fill: #1a7f37 }
.full { fill: #6e7781 }
.less { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .ours { fill: #3fb950 }
  .full { fill: #8b949e }
  .less { fill: #565d66 }
}
"""


def bars(groups, note):
    """`groups`: a title and, for each bar, its label, its value, its figure in words, and its class in STYLE. All bars of a group
    are drawn to the scale of the longest."""
    parts, y = [], 0
    for title, rows in groups:
        y += GROUP
        parts.append(f'<text class="title" x="0" y="{y - 12}">{escape(title)}</text>')
        longest = max(value for _, value, _, _ in rows)
        for label, value, figure, kind in rows:
            length = max(1, value / longest * (WIDTH - LABEL - FIGURE))
            parts.append(f'<text x="{LABEL - 8}" y="{y + BAR - 5}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text x="{LABEL + length + 6:.1f}" y="{y + BAR - 5}">{escape(figure)}</text>')
            y += BAR + GAP
    y += 24
    parts.append(f'<text class="note" x="0" y="{y}">{escape(note)}</text>')
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" role="img">\n'
            f"<style>{STYLE}</style>\n{body}\n</svg>\n")
