"""Criteria, what became of them, and how that is told: a line each, a summary, or JSON.

A criterion is a function that returns what was seen, in words; it raises Wrong if that is not as it should be, and NotSeen where
it can't be looked at from here. What was not seen counts neither for nor against. A broken connection, and a server that
takes too long, are Wrong. When the server no longer takes connections, the criterion that found it so is the last one that is tried.
"""
import dataclasses
import json
import sys

RIGHT, WRONG, NOT_SEEN = "bien", "mal", "no visto"


class Wrong(Exception):
    """It was seen, and is not as it should be."""


class NotSeen(Exception):
    """It can't be seen from here."""


@dataclasses.dataclass
class Rule:
    """One criterion."""
    key: str
    points: int
    title: str
    check: object
    is_essential: bool


@dataclasses.dataclass
class Finding:
    """What became of a criterion."""
    rule: Rule
    state: str
    seen: str


class Rules(list):
    """A list of criteria, in the order in which they are tried."""

    def rule(self, key, points, title, essential=False):
        """Decorates the function that looks at it."""
        def add(check):
            self.append(Rule(key, points, title, check, essential))
            return check
        return add


def judge(rules, subject, tell):
    """Tries all criteria on a subject, which has `is_there()`; gives the findings, and tells each as soon as it is there."""
    findings, dead_since = [], None
    for rule in rules:
        try:
            if dead_since:
                raise NotSeen(f"el servidor no acepta conexiones desde «{dead_since}»")
            state, seen = RIGHT, rule.check(subject)
        except Wrong as error:
            state, seen = WRONG, str(error)
        except NotSeen as error:
            state, seen = NOT_SEEN, str(error)
        except OSError as error:
            state, seen = WRONG, f"la conexión falló: {error.strerror or error}"
        if state == WRONG and not subject.is_there():
            dead_since = rule.key
            seen += "; el servidor ya no acepta conexiones"
        findings.append(Finding(rule, state, seen))
        tell(findings[-1])
    return findings


def read_points(path, rules):
    """Sets the points of the criteria named in a file: `criterio puntos` a line, # begins a comment. Exits at what it can't read."""
    by_key = {rule.key: rule for rule in rules}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].replace("=", " ").split()
            if not words:
                continue
            if len(words) != 2 or words[0] not in by_key or not words[1].isdecimal():
                sys.exit(f"juez: {path}, línea {number}: se espera «criterio puntos», y el criterio debe existir (--lista)")
            by_key[words[0]].points = int(words[1])


def line(finding):
    """A finding as it is shown."""
    rule = finding.rule
    mark = {RIGHT: "✓", WRONG: "✗", NOT_SEEN: "·"}[finding.state]
    points = {RIGHT: f"{rule.points}/{rule.points}", WRONG: f"0/{rule.points}", NOT_SEEN: "-"}[finding.state]
    return f"{mark} {rule.key:<20} {points:>6}  {rule.title}: {finding.seen}"


def totals(findings):
    """Points, and how many there could have been."""
    got = sum(finding.rule.points for finding in findings if finding.state == RIGHT)
    return got, got + sum(finding.rule.points for finding in findings if finding.state == WRONG)


def summary(findings):
    """The last lines."""
    got, most = totals(findings)
    wrong = [finding.rule for finding in findings if finding.state == WRONG]
    essential = [rule.key for rule in wrong if rule.is_essential]
    not_seen = sum(finding.state == NOT_SEEN for finding in findings)
    text = f"\n{got} de {most} puntos; {len(findings) - len(wrong) - not_seen} bien, {len(wrong)} mal, {not_seen} no vistos."
    if essential:
        text += f"\nLo esencial que falta: {', '.join(essential)}."
    return text


def as_json(findings, **facts):
    """Everything, for a program."""
    got, most = totals(findings)
    listed = [{"criterio": f.rule.key, "titulo": f.rule.title, "esencial": f.rule.is_essential, "estado": f.state,
               "puntos": f.rule.points if f.state == RIGHT else 0, "maximo": f.rule.points, "visto": f.seen} for f in findings]
    return json.dumps({**facts, "puntos": got, "maximo": most, "criterios": listed}, ensure_ascii=False, indent=1)
