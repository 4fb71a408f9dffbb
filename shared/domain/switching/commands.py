"""What a live call's switch is told without having asked.

Owns the commands of both adapters, as requests that are ready to be sent. Must never send one.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from shared.domain.outgoing import Message
from shared.domain.refusals import JSON
from shared.domain.switching import generic, twilio
from shared.domain.switching.credentials import Credential
from shared.domain.switching.nouns import Conference, Connected, Dial, DropLeg, HangUp, Transfer
from shared.domain.switching.signatures import signed_headers

Command = Dial | Connected | HangUp | DropLeg | Transfer | Conference
_encode = msgspec.json.Encoder().encode
_FORM = "application/x-www-form-urlencoded"


class Recipient(Struct, frozen=True, kw_only=True):
    """Whose call it is. Shape: the two addresses have no path; public_url is ours, as Twilio calls it."""

    credential: Credential
    provider_call_id: str
    public_url: str
    twilio_api_url: str


def write_commands(command: Command, recipient: Recipient, *, at_s: int) -> tuple[Message, ...]:
    """The requests that tell a switch to do it, in order; none when it cannot be told, or has done so by itself.

    Shape: Connected tells it which legs to drop. Units: at_s is the time of signing.
    """
    if recipient.credential.kind == "twilio":
        return _to_twilio(command, recipient)
    if not recipient.credential.command_url:
        return ()
    if isinstance(command, Dial | HangUp):
        return (_signed(generic.write_body(command, word="command"), recipient.credential, at_s=at_s),)
    if isinstance(command, Transfer | Conference):
        return (_signed(generic.write_handing_on(command), recipient.credential, at_s=at_s),)
    gone = (command.leg_uuid,) if isinstance(command, DropLeg) else command.drop
    drops = [{"call_uuid": command.call_uuid, "command": "drop_leg", "leg_id": leg} for leg in gone]
    return tuple(_signed(drop, recipient.credential, at_s=at_s) for drop in drops)


def _signed(body: Mapping[str, Any], credential: Credential, *, at_s: int) -> Message:
    text = _encode(body)
    headers = signed_headers(text, credential.secret, credential_id=credential.id, at_s=at_s)
    return Message(
        method="POST", url=credential.command_url, headers={"Content-Type": JSON, **headers}, body=text
    )


def _to_twilio(command: Command, recipient: Recipient) -> tuple[Message, ...]:
    """A live redirect. Twilio itself drops the legs that lost, and those of a Dial that a redirect ends.

    A redirect ends a leg, too. New legs are not told but asked for, as the text of a redirect is limited to 4,000 characters.
    """
    if isinstance(command, Connected | Conference):
        return ()
    if isinstance(command, Dial | DropLeg | Transfer):
        url = twilio.address(recipient.public_url, "dial-action", call_uuid=command.call_uuid)
        told = {"Url": url, "Method": "POST"}
    else:
        told = {"Twiml": twilio.write_twiml(command, recipient.public_url)}
    credential = recipient.credential
    user = f"{credential.account_id}:{credential.secret.reveal()}"
    authorization = f"Basic {b64encode(user.encode()).decode()}"
    api = credential.command_url or recipient.twilio_api_url
    account, call = (quote(each, safe="") for each in (credential.account_id, recipient.provider_call_id))
    return (
        Message(
            method="POST",
            url=f"{api.rstrip('/')}/2010-04-01/Accounts/{account}/Calls/{call}.json",
            headers={"Content-Type": _FORM, "Authorization": authorization},
            body=urlencode(told).encode(),
        ),
    )
