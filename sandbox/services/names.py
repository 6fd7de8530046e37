"""The region's name service: production host names lead to the front, all others nowhere."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_S = 5  # records change while machines run
Lookup = Callable[[str], str | None]


class NameService(asyncio.DatagramProtocol):
    """Answers A questions through `lookup` (a lower-case name without the last dot -> address or None).

    A name that exists has no other records; one that does not is NXDOMAIN. `log` receives one JSON object a question.
    """

    def __init__(self, lookup: Lookup, log: Path) -> None:
        self._lookup = lookup
        self._log = log
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is no subclass of the class that it documents.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str | int, ...]) -> None:
        try:
            question = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        if self._transport is None or not question.question:
            return
        asked = question.question[0]
        with self._log.open("a") as log:
            kind = dns.rdatatype.to_text(asked.rdtype)
            log.write(json.dumps({"client": address[0], "name": asked.name.to_text(), "type": kind}) + "\n")
        self._transport.sendto(answer(question, self._lookup).to_wire(), address)


def answer(question: dns.message.Message, lookup: Lookup) -> dns.message.Message:
    """The reply to a question."""
    reply = dns.message.make_response(question, recursion_available=True)
    asked = question.question[0]
    address = lookup(asked.name.to_text(omit_final_dot=True).lower())
    if address is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif asked.rdtype == dns.rdatatype.A:
        reply.answer.append(dns.rrset.from_text(asked.name, TTL_S, "IN", "A", address))
    return reply
