"""People: one of each role, and one who signs in without a password, by what her devices hold."""

import hashlib
import json
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from ace_project.core.people import GROUPS

PASSWORD = "a long password 42"


def make_people() -> None:
    """Make vic, ann, bob and zoe, who may do everything, and eve, who has each second factor."""
    names = dict(zip(GROUPS, ("vic", "ann", "bob", "zoe"), strict=True))
    for role, name in names.items():
        _person(name, role, password=PASSWORD, is_staff=role == "admin")
    eve = _person("eve", "operator", password=None)
    TOTP.activate(eve, generate_totp_secret())
    WebAuthn.add(eve, "Laptop", _credential())
    RecoveryCodes.activate(eve)


def _person(name: str, role: str, **fields: Any) -> Any:
    made = get_user_model().objects.create_user(name, **fields)
    made.groups.add(Group.objects.get_or_create(name=role)[0])
    return made


def _credential() -> dict[str, Any]:
    """Return what a browser sends of a new passkey."""
    public = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    held = AttestedCredentialData.create(Aaguid.NONE, b"a passkey of eve", public)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    site = hashlib.sha256(b"localhost").digest()
    told = AttestationObject.create("none", AuthenticatorData.create(site, flags, 0, held), {})
    client = {"type": "webauthn.create", "challenge": "AA", "origin": "https://localhost"}
    name = websafe_encode(held.credential_id)
    return {
        "type": "public-key",
        "id": name,
        "rawId": name,
        "response": {
            "clientDataJSON": websafe_encode(json.dumps(client).encode()),
            "attestationObject": websafe_encode(bytes(told)),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }


def forget_that_codes_were_seen() -> None:
    """Let recovery codes be shown, which they are once."""
    for codes in Authenticator.objects.filter(type=Authenticator.Type.RECOVERY_CODES):
        codes.data.pop("viewed_at", None)
        codes.save(update_fields=["data"])
