"""The wire of pings: alone in knowing their parameter names, encodings, statuses and answer shapes."""

from shared.pinging.wire.answers import AnswerForm, write_outcome
from shared.pinging.wire.refusals import write_refusal, write_xml_fault
from shared.pinging.wire.requests import read_fields, read_ping
from shared.pinging.wire.retirement import Headers, retirement_headers, retiring, with_headers

__all__ = [
    "AnswerForm",
    "Headers",
    "read_fields",
    "read_ping",
    "retirement_headers",
    "retiring",
    "with_headers",
    "write_outcome",
    "write_refusal",
    "write_xml_fault",
]
