"""Serves a folder over HTTPS on this machine, with a certificate of its own."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Quiet(SimpleHTTPRequestHandler):
    """Tells nothing."""

    def log_message(self, *_: object) -> None:
        """Tell nothing."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate of this machine that signs itself, for a day."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1"]
    command += ["-subj", "/CN=rehearsal", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


def trust(certificate: Path) -> Path:
    """Write the system's certificates and this one into one file, for SSL_CERT_FILE."""
    known = ssl.get_default_verify_paths().cafile
    bundle = certificate.with_name("trusted.pem")
    others = Path(known).read_text(encoding="utf-8") if known else ""
    bundle.write_text(others + certificate.read_text(encoding="utf-8"), encoding="utf-8")
    return bundle


@contextmanager
def serve(folder: Path, certificates: Path) -> Iterator[tuple[str, Path]]:
    """Serve a folder; give its address, and the file of certificates that a client must trust."""
    certificates.mkdir(parents=True, exist_ok=True)
    key, certificate = make_certificate(certificates)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}", trust(certificate)
        finally:
            server.shutdown()
            thread.join()
