"""The rtb service's wire: alone in knowing parameter names, encodings, statuses and answer shapes."""

from services.rtb.wire.answers import AnswerForm, write_outcome
from services.rtb.wire.refusals import write_refusal, write_xml_fault
from services.rtb.wire.requests import read_confirm, read_ping, read_show

__all__ = [
    "AnswerForm",
    "read_confirm",
    "read_ping",
    "read_show",
    "write_outcome",
    "write_refusal",
    "write_xml_fault",
]
