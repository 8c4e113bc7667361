"""A check's result as HTML, for notebooks. Whatever the layer is called, it is shown as text."""

from html import escape


def check_html(result):
    """Return the table of a `CheckResult`, with its first wrong step, its hints and its broken promises."""
    verdict = "passed" if result.passed else "FAILED"
    heading = f"{result.name}: {verdict} ({result.mode}, tolerance {result.tolerance:g})"
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in result.remarks())
    return f"<p><b>{escape(heading)}</b></p>{_table(_CHECK_HEAD, result.rows())}" + (remarks and f"<ul>{remarks}</ul>")


def report_html(report):
    """Return the table of a `Report`, the tables of the checks that failed, and the properties."""
    failed = "".join(check_html(check) for check in report.checks if not check.passed)
    properties = _table(_PROPERTY_HEAD, [kept.cells() for kept in report.properties]) if report.properties else ""
    return _table(_REPORT_HEAD, report.rows()) + failed + properties


_CHECK_HEAD = ("tensor", "shape", "error", "cosine", "scale", "worst at", "backward", "numerical", "kinks")
_REPORT_HEAD = ("check", "mode", "entries", "kinks", "largest error", "seconds", "verdict")
_PROPERTY_HEAD = ("property", "what it promises", "broken by", "verdict")


def _table(head, rows):
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _row(tag, cells):
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
