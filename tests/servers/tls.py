"""Certificates made for one test run: an authority, a server and a client."""

import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import trustme


@dataclass(frozen=True)
class CertificateFiles:
    """The same material as PEM files, for servers that read files."""

    ca: Path
    server: Path
    """The server's private key and certificate chain in one file."""


class TlsMaterial:
    """An authority that nobody else trusts, a server certificate for loopback and a client certificate."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.server_certificate = self.ca.issue_cert("localhost", "127.0.0.1", "::1")
        self.client_certificate = self.ca.issue_cert("client@headrace.test", common_name="headrace test client")

    def server_context(self, *, require_client_certificate: bool = False) -> ssl.SSLContext:
        """Return a new context for a server.

        Args:
            require_client_certificate: Refuse clients without a certificate of this authority (mutual TLS).
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server_certificate.configure_cert(context)
        if require_client_certificate:
            self.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, *, with_certificate: bool = False) -> ssl.SSLContext:
        """Return a new context for a client that trusts this authority only.

        Args:
            with_certificate: Present the client certificate (mutual TLS).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca.configure_trust(context)
        if with_certificate:
            self.client_certificate.configure_cert(context)
        return context

    @cached_property
    def trusting(self) -> ssl.SSLContext:
        """One shared client context without a certificate."""
        return self.client_context()

    def write(self, directory: Path) -> CertificateFiles:
        """Write the authority and the server's key and chain as PEM files.

        Args:
            directory: An existing folder.
        """
        files = CertificateFiles(directory / "ca.pem", directory / "server.pem")
        self.ca.cert_pem.write_to_path(files.ca)
        self.server_certificate.private_key_and_cert_chain_pem.write_to_path(files.server)
        return files
