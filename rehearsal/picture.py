"""What people see at the address at this moment, as a browser shows it."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGE_S = 8  # for the page to draw itself
DEADLINE_S = 40


def picture(address: str) -> bytes:
    """A PNG; empty where the host has no browser, or it shows nothing in time. The certificate is not its subject."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return b""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "page.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1000,640",
        ]
        command += [
            "--ignore-certificate-errors",
            f"--virtual-time-budget={PAGE_S * 1000}",
            f"--user-data-dir={folder}",
        ]
        try:
            subprocess.run(
                [*command, f"--screenshot={target}", address], capture_output=True, check=False, timeout=DEADLINE_S
            )
        except subprocess.TimeoutExpired:
            return b""
        return target.read_bytes() if target.exists() else b""
