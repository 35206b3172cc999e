"""GoAccess: the same requests as an access log, read into its own store and a report."""

from __future__ import annotations

import datetime as dt
import json
import resource
import shutil
import subprocess
from pathlib import Path

from bench.engines.contest import MissingError, Portion, folder_size

LOG_FORMAT = '%h %^ %e [%d:%t %^] "%r" %s %b "%R" "%u"'


class GoAccess:
    """One run a round, on what is new, kept with `--persist`."""

    name = "GoAccess"

    def __init__(self, folder: Path) -> None:
        found = shutil.which("goaccess")
        if found is None:
            raise MissingError("goaccess is not installed: apt-get install goaccess")
        self._program = found
        said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
        self.version = said.split()[2].rstrip(".")
        self._log, self._database, self._report = folder / "access.log", folder / "store", folder / "r.json"
        self._database.mkdir()
        self._cpu_s = 0.0
        self._is_first = True

    def prepare(self, portion: Portion) -> None:
        """A line in the combined format for each; GoAccess goes on where the file has grown."""
        with self._log.open("a", encoding="utf-8") as file:
            for entry in portion.entries:
                request, response = entry["request"], entry["response"]
                at = dt.datetime.fromtimestamp(entry["started_at"] / 1000, dt.UTC)
                user = (entry.get("consumer") or {}).get("username") or "-"
                agent = str(request["headers"].get("user-agent", "-")).replace('"', "")
                file.write(
                    f"{entry['client_ip']} - {user} [{at:%d/%b/%Y:%H:%M:%S} +0000]"
                    f' "{request["method"]} {request["uri"]} HTTP/1.1" {response["status"]}'
                    f' {int(response.get("size") or 0)} "-" "{agent}"\n'
                )

    def feed(self) -> None:
        """Read what is new."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        kept = ["--persist", f"--db-path={self._database}"] + ([] if self._is_first else ["--restore"])
        formats = [f"--log-format={LOG_FORMAT}", "--date-format=%d/%b/%Y", "--time-format=%H:%M:%S"]
        subprocess.run(
            [self._program, str(self._log), *formats, *kept, "--no-progress", "-o", str(self._report)],
            check=True,
            capture_output=True,
        )
        self._is_first = False
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._cpu_s += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def cpu_s(self) -> float:
        """All runs."""
        return self._cpu_s

    def stored(self) -> int:
        """What its report counts."""
        return int(json.loads(self._report.read_text(encoding="utf-8"))["general"]["valid_requests"])

    def size(self) -> int:
        """Its own store, the log left out."""
        return folder_size(self._database)

    def stop(self) -> None:
        """Nothing runs."""
