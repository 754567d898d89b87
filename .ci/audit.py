"""The software bill of materials of this environment, and its known vulnerabilities, as far as PyPI's API is reachable.

``python .ci/audit.py SBOM`` writes CycloneDX JSON to the file. Exit code 1 where a release has a known vulnerability.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

#: What brings the environment about, and is not a dependency of the project.
TOOLS = {"pip", "setuptools"}


def main(target: Path) -> int:
    command = ["cyclonedx-py", "environment", "--output-format", "JSON", "--output-file", str(target), sys.executable]
    subprocess.run(command, check=True, capture_output=True)
    print(f"bill of materials: {len(json.loads(target.read_text())['components'])} components in {target}")
    packages = sysconfig.get_path("purelib")
    command = ["pip-audit", "--progress-spinner", "off", "--timeout", "5", "--format", "json", "--path", packages]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
        audited = [each for each in json.loads(found.stdout)["dependencies"] if "vulns" in each]
    except (subprocess.TimeoutExpired, ValueError):
        audited = []
    if not audited:
        print("vulnerabilities: NOT CHECKED, PyPI's API of vulnerabilities is not reachable from here")
        return 0
    vulnerable = [each for each in audited if each["vulns"] and each["name"] not in TOOLS]
    for each in vulnerable:
        known = ", ".join(f"{v['id']} (fixed in {', '.join(v['fix_versions']) or 'none'})" for v in each["vulns"])
        print(f"{each['name']} {each['version']}: {known}")
    print(f"vulnerabilities: {len(vulnerable)} of {len(audited)} releases have known ones")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
