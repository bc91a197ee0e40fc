"""Counts a suite's report for tests/run: prints "PASSED FAILED SKIPPED".

A skipped test without a stated reason counts as failed, and so does a suite that ended badly, or ran nothing, without
naming a failed test: a gate must not be green because nothing was looked at.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")
# pytest's own words for a skip to which nobody gave a reason.
NO_REASON = {"", "unconditional skip", "skipped", "got empty parameter set"}


def nextest(text):
    """The summary line. That an ignored Rust test states its reason is a lint (clippy::ignore_without_reason); one that
    is left out because it is about the other backend alone states it by its module (.config/nextest.toml)."""
    found = re.findall(r"Summary \[.*?\] +(\d+)(?:/\d+)? tests? run: (\d+) passed.*?(\d+) skipped", text)
    if not found:
        return 0, 0, [], 0
    run, passed, skipped = map(int, found[-1])
    return passed, run - passed, [], skipped


def rustdoc(text):
    """One result line per crate. An ignored example has nowhere to state a reason."""
    passed = failed = ignored = 0
    for line in re.findall(r"test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", text):
        passed, failed, ignored = passed + int(line[0]), failed + int(line[1]), ignored + int(line[2])
    bare = re.findall(r"^test (.*) \.\.\. ignored$", text, re.MULTILINE)
    return passed, failed, bare or ["an ignored example"] * ignored, 0


def tap(text):
    """Node's report: its own totals, and its result lines for what was skipped or put off, and why."""
    totals = dict(re.findall(r"^# (pass|fail|cancelled) (\d+)$", text, re.MULTILINE))
    passed, failed = int(totals.get("pass", 0)), int(totals.get("fail", 0)) + int(totals.get("cancelled", 0))
    explained = 0
    bare = []
    for title, reason in re.findall(r"^ *(?:not ok|ok) \d+ - (.*?) # (?:SKIP|TODO)\b *(.*)$", text, re.MULTILINE):
        if reason.strip():
            explained += 1
        else:
            bare.append(title)
    return passed, failed, bare, explained


def junit(text):
    """pytest's report, or several of them below one element."""
    passed = failed = explained = 0
    bare = []
    for case in ElementTree.fromstring(text).iter("testcase"):
        skip = case.find("skipped")
        if skip is not None:
            reason = (skip.get("message") or "").strip()
            if reason.lower() in NO_REASON:
                bare.append(f"{case.get('classname')}.{case.get('name')}")
            else:
                explained += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return passed, failed, bare, explained


READERS = {
    "rust": nextest,
    "postgres": nextest,
    "docs": rustdoc,
    "browser": tap,
    "typescript": tap,
    "python": junit,
    "dialects": junit,
    "channels": junit,
}
MAY_BE_EMPTY = {"lints", "docs"}


def count(suite, text, status):
    passed, failed, bare, explained = READERS[suite](text) if suite in READERS and text else (0, 0, [], 0)
    for name in bare:
        print(f"skipped without a reason: {name}", file=sys.stderr)
    failed += len(bare)
    if failed == 0 and status != 0:
        print(f"{suite} ended with exit code {status}", file=sys.stderr)
        failed = 1
    if passed + failed + explained == 0 and suite not in MAY_BE_EMPTY:
        print(f"{suite} ran no test", file=sys.stderr)
        failed = 1
    return passed, failed, explained


def main():
    suite, report, status = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    text = ANSI.sub("", report.read_text(errors="replace")) if report.exists() else ""
    print(*count(suite, text, status))


if __name__ == "__main__":
    main()
