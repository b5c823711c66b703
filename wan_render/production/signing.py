"""Sign where a file comes from, with the certificate of this machine's owner: a C2PA manifest beside the file.

The manifest is a file of its own (`film.c2pa`), so that the film keeps its bytes: a signature has a time and a random
number in it. Without a certificate nothing is signed; one of our own making would say nothing.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from wan_render.errors import MachineError, Problem
from wan_render.settings import MachineSettings
from wan_render.store.disk import disk_errors, write_whole

CERTIFICATE_SETTING, KEY_SETTING = "WAN_RENDER_SIGNING_CERTIFICATE", "WAN_RENDER_SIGNING_KEY"

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def wants_signing(settings: MachineSettings) -> bool:
    """Whether this machine has a certificate to sign with."""
    return settings.signing_certificate is not None or settings.signing_key is not None


def sign(file: Path, description: Path, settings: MachineSettings) -> Path:
    """Sign the description of a file: `<name>.c2pa` beside it, unless it is there.

    Raises MachineError if the library, the certificate or the key is missing or unusable.
    """
    target = file.with_suffix(".c2pa")
    if not target.exists():
        told = json.loads(description.read_bytes())
        try:
            manifest = _manifest(file, told, *_credentials(settings))
        except ImportError as error:
            raise _unsigned(file, "c2pa-python is not installed", "pip install 'wan-render[sign]'") from error
        with disk_errors(target):
            write_whole(target, manifest)
    return target


def _credentials(settings: MachineSettings) -> tuple[bytes, bytes]:
    """The certificates, the signer's first, and the private key, both PEM. Raises MachineError."""
    read = []
    for variable, file in ((CERTIFICATE_SETTING, settings.signing_certificate), (KEY_SETTING, settings.signing_key)):
        if file is None:
            raise MachineError(Problem(variable, "is not set", "a PEM file", f"set it, or unset both {_BOTH}"))
        try:
            read.append(file.read_bytes())
        except OSError as error:
            found = f"{file} cannot be read: {error.strerror}"
            raise MachineError(Problem(variable, found, "a PEM file", f"correct it, or unset both {_BOTH}")) from error
    return read[0], read[1]


_BOTH = f"{CERTIFICATE_SETTING} and {KEY_SETTING}"


def _manifest(file: Path, told: dict[str, Any], certificates: bytes, key: bytes) -> bytes:
    """Raises ImportError without the library; MachineError."""
    import c2pa

    definition = {name: told[name] for name in ("title", "format", "claim_generator_info", "assertions", "ingredients")}
    try:
        info = c2pa.C2paSignerInfo(_algorithm(key), certificates, key, None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(definition) as builder, file.open("rb") as stream:
            builder.set_no_embed()
            return bytes(builder.sign(signer, told["format"], stream, io.BytesIO()))
    except (c2pa.C2paError, ValueError, TypeError) as error:
        raise _unsigned(file, str(error), f"check {_BOTH}, or unset both") from error


def _algorithm(key: bytes) -> str:
    """C2PA's name of the algorithm of a private key. Raises ValueError or TypeError for one that it can't use."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    match load_pem_private_key(key, password=None):
        case ec.EllipticCurvePrivateKey() as curve if curve.curve.name in _CURVES:
            return _CURVES[curve.curve.name]
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
        case rsa.RSAPrivateKey():
            return "ps256"
    raise ValueError("the key is neither of a NIST curve, nor Ed25519, nor RSA")


def _unsigned(file: Path, found: str, remedy: str) -> MachineError:
    return MachineError(Problem(f"{file} is made, but not signed", found, "", remedy))
