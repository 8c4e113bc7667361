"""A check's result as HTML, for notebooks. Whatever the layer is called, it is shown as text."""

from html import escape

_STYLE = (
    "<style>.gradcheck td, .gradcheck th { padding: 2px 10px; text-align: left; white-space: nowrap; } "
    ".gradcheck td { font-family: monospace; } .gradcheck .wrong { color: #b00020; font-weight: bold; }</style>"
)
_CHECK_HEAD = ("tensor", "shape", "error", "cosine", "scale", "worst at", "backward", "numerical", "kinks")
_REPORT_HEAD = ("check", "mode", "entries", "kinks", "largest error", "seconds", "verdict")
_PROPERTY_HEAD = ("property", "what it promises", "broken by", "verdict")


def check_html(result):
    """Return the table of a `CheckResult`, with its first wrong step, its hints and its broken promises."""
    verdict = "passed" if result.passed else "FAILED"
    heading = f"{result.name}: {verdict} ({result.mode}, tolerance {result.tolerance:g})"
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in result.remarks())
    wrong = [not tensor.error <= result.tolerance for tensor in result.tensors]
    table = _table(_CHECK_HEAD, result.rows(), wrong)
    return _block(f"<p><b>{escape(heading)}</b></p>" + (remarks and f"<ul>{remarks}</ul>") + table)


def report_html(report):
    """Return the table of a `Report`, the tables of the checks that failed, and the properties."""
    checks = _table(_REPORT_HEAD, report.rows(), [not check.passed for check in report.checks])
    failed = "".join(check_html(check) for check in report.checks if not check.passed)
    broken = [not kept.passed for kept in report.properties]
    rows = [kept.cells() for kept in report.properties]
    return _block(checks + failed + (_table(_PROPERTY_HEAD, rows, broken) if rows else ""))


def _block(content):
    return f'{_STYLE}<div class="gradcheck">{content}</div>'


def _table(head, rows, wrong):
    lines = [_row("th", head, False), *(_row("td", *row) for row in zip(rows, wrong, strict=True))]
    return f"<table>{''.join(lines)}</table>"


def _row(tag, cells, wrong):
    opening = '<tr class="wrong">' if wrong else "<tr>"
    return opening + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
